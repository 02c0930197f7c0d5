/** The state of a stream: each transition that ARCHITECTURE.md draws, and those that must not happen (RFC 9113, 5.1). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseStream, SendQueue, StreamState } from "../../src/server/http2/common/base-stream.ts";
import { Bench, OK } from "./support/bench.ts";
import { data, GET, headers, POST, rstStream, windowUpdate } from "./support/wire.ts";

type State = keyof typeof StreamState;
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

function streamAfter(events: readonly Event[]): TestStream {
  const stream = new TestStream(1, 0);
  for (const event of events) stream[event]();
  return stream;
}

for (const [state, after, next] of TABLE) {
  test(`a stream after ${after.join(" and ") || "HEADERS"} is ${state}, and every event leads to the state that is drawn`, () => {
    assert.equal(streamAfter(after).state, StreamState[state]);
    EVENTS.forEach((event, i) => {
      assert.equal(streamAfter([...after, event]).state, StreamState[next[i] as State], event);
    });
  });
}

test("each side is open until it has sent its end", () => {
  const sides = (events: readonly Event[]) => {
    const { isRemoteOpen, isLocalOpen } = streamAfter(events);
    return [isRemoteOpen, isLocalOpen];
  };
  assert.deepEqual(sides([]), [true, true]);
  assert.deepEqual(sides(["receiveEnd"]), [false, true]);
  assert.deepEqual(sides(["sendEnd"]), [true, false]);
  assert.deepEqual(sides(["reset"]), [false, false]);
});

/** Ways to each state of a stream on a connection. The handler does not respond by itself. */
const WAYS: Readonly<Record<Exclude<State, "Closed">, (bench: Bench) => unknown>> = {
  Open: (bench) => bench.send(headers(1, POST, 0)),
  HalfClosedRemote: (bench) => bench.send(headers(1, GET)),
  HalfClosedLocal: (bench) => {
    bench.send(headers(1, POST, 0));
    bench.exchanges[0]?.start(OK);
    bench.exchanges[0]?.end();
  },
};

function stateOnConnection(bench: Bench): number {
  const [exchange] = bench.exchanges;
  assert.ok(exchange instanceof BaseStream);
  return exchange.state;
}

for (const [state, way] of Object.entries(WAYS) as [Exclude<State, "Closed">, (bench: Bench) => unknown][]) {
  const closes: Record<string, (bench: Bench) => unknown> = {
    "RST_STREAM received": (bench) => bench.send(rstStream(1)),
    "RST_STREAM sent": (bench) =>
      assert.deepEqual(bench.send(windowUpdate(1, 0)).slice(-1), ["RstStream 1 PROTOCOL_ERROR"]),
    "the loss of the socket": (bench) => bench.connection.abort("lost"),
    "an error of the connection": (bench) => bench.send(rstStream(0)),
  };
  for (const [event, close] of Object.entries(closes)) {
    test(`${event} closes a stream that is ${state}`, () => {
      const bench = Bench.settled(() => {});
      way(bench);
      assert.equal(stateOnConnection(bench), StreamState[state]);
      close(bench);
      assert.equal(stateOnConnection(bench), StreamState.Closed);
      assert.equal(bench.connection.openStreams, 0);
    });
  }
}

test("the two ends of the messages close a stream, in either order", () => {
  const received = Bench.settled(() => {});
  WAYS.HalfClosedRemote(received);
  received.exchanges[0]?.respond(OK, new Uint8Array(0));
  assert.equal(stateOnConnection(received), StreamState.Closed);
  const sent = Bench.settled(() => {});
  WAYS.HalfClosedLocal(sent);
  sent.send(data(1, "end"));
  assert.equal(stateOnConnection(sent), StreamState.Closed);
});

test("all who wait for a send queue to be emptied share one promise, which settles once", async () => {
  const queue = new SendQueue();
  const first = queue.whenEmptied();
  assert.equal(queue.whenEmptied(), first);
  queue.settle();
  await first;
  new SendQueue().settle();
});
