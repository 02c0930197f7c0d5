/**
 * The state of a stream: each transition that ARCHITECTURE.md draws, and those that must not happen (RFC 9113, 5.1).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseStream, SendQueue } from "../../src/server/http2/common/base-stream.ts";
import { data, GET, headers, POST, rstStream, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

/** For each state: if the peer and if this side may still send. */
const STATES = {
  Open: [true, true],
  HalfClosedRemote: [false, true],
  HalfClosedLocal: [true, false],
  Closed: [false, false],
} as const;

type State = keyof typeof STATES;
type Event = "receiveEnd" | "sendEnd" | "reset";

const EVENTS: readonly Event[] = ["receiveEnd", "sendEnd", "reset"];

/** Makes the transitions public. */
class TestStream extends BaseStream {
  receiveEnd(): void {
    this.endRemote();
  }

  sendEnd(): void {
    this.endLocal();
  }

  reset(): void {
    this.closeBoth();
  }
}

/** For each state: the events that lead to it, and the state after each of `EVENTS`. */
const TABLE: readonly (readonly [State, after: readonly Event[], next: readonly [State, State, State]])[] = [
  ["Open", [], ["HalfClosedRemote", "HalfClosedLocal", "Closed"]],
  ["HalfClosedRemote", ["receiveEnd"], ["HalfClosedRemote", "Closed", "Closed"]],
  ["HalfClosedLocal", ["sendEnd"], ["Closed", "HalfClosedLocal", "Closed"]],
  ["Closed", ["receiveEnd", "sendEnd"], ["Closed", "Closed", "Closed"]],
  ["Closed", ["sendEnd", "receiveEnd"], ["Closed", "Closed", "Closed"]],
  ["Closed", ["reset"], ["Closed", "Closed", "Closed"]],
];

/** Returns if the peer and if this side may still send after these events. */
function sidesAfter(events: readonly Event[]): readonly boolean[] {
  const stream = new TestStream(1, 0);
  for (const event of events) stream[event]();
  return [stream.isRemoteOpen, stream.isLocalOpen];
}

for (const [state, after, next] of TABLE) {
  test(`a stream after ${after.join(" and ") || "HEADERS"} is ${state}, and each event leads to the right state`, () => {
    assert.deepEqual(sidesAfter(after), STATES[state]);
    EVENTS.forEach((event, i) => {
      assert.deepEqual(sidesAfter([...after, event]), STATES[next[i] as State], event);
    });
  });
}

/** Ways to each state of a stream on a connection. The handler does not respond by itself. */
const WAYS: Readonly<Record<Exclude<State, "Closed">, (harness: Harness) => unknown>> = {
  Open: (harness) => harness.send(headers(1, POST, 0)),
  HalfClosedRemote: (harness) => harness.send(headers(1, GET)),
  HalfClosedLocal: (harness) => {
    harness.send(headers(1, POST, 0));
    harness.exchanges[0]?.start(OK);
    harness.exchanges[0]?.end();
  },
};

function sidesOnConnection(harness: Harness): readonly boolean[] {
  const [exchange] = harness.exchanges;
  assert.ok(exchange instanceof BaseStream);
  return [exchange.isRemoteOpen, exchange.isLocalOpen];
}

for (const [state, way] of Object.entries(WAYS) as [Exclude<State, "Closed">, (harness: Harness) => unknown][]) {
  const closes: Record<string, (harness: Harness) => unknown> = {
    "RST_STREAM received": (harness) => harness.send(rstStream(1)),
    "RST_STREAM sent": (harness) =>
      assert.deepEqual(harness.send(windowUpdate(1, 0)).slice(-1), ["RstStream 1 PROTOCOL_ERROR"]),
    "the loss of the socket": (harness) => harness.connection.abort("lost"),
    "an error of the connection": (harness) => harness.send(rstStream(0)),
  };
  for (const [event, close] of Object.entries(closes)) {
    test(`${event} closes a stream that is ${state}`, () => {
      const harness = Harness.settled(() => {});
      way(harness);
      assert.deepEqual(sidesOnConnection(harness), STATES[state]);
      close(harness);
      assert.deepEqual(sidesOnConnection(harness), STATES.Closed);
      assert.equal(harness.connection.openStreams, 0);
    });
  }
}

test("END_STREAM of both sides closes a stream, in either order", () => {
  const received = Harness.settled(() => {});
  WAYS.HalfClosedRemote(received);
  received.exchanges[0]?.respond(OK, new Uint8Array(0));
  assert.deepEqual(sidesOnConnection(received), STATES.Closed);
  const sent = Harness.settled(() => {});
  WAYS.HalfClosedLocal(sent);
  sent.send(data(1, "end"));
  assert.deepEqual(sidesOnConnection(sent), STATES.Closed);
});

test("all who wait for a send queue to be emptied share one promise, which settles once", async () => {
  const queue = new SendQueue();
  const first = queue.whenEmptied();
  assert.equal(queue.whenEmptied(), first);
  queue.settle();
  await first;
  new SendQueue().settle();
});
