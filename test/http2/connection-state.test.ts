/** The state of a connection: each transition that ARCHITECTURE.md draws, and those that must not happen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionPhase, ConnectionState } from "../../src/server/http2/common/connection-state.ts";
import { Flag, FrameType } from "../../src/server/http2/frames/types.ts";
import { frame, GET, headers, ping, SETTINGS_ACK, uint32 } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

type Event = "receiveSettings" | "receiveSettingsAck" | "receiveGoaway" | "sendGoaway" | "close";
type Phase = keyof typeof ConnectionPhase;

const EVENTS: readonly Event[] = ["receiveSettings", "receiveSettingsAck", "receiveGoaway", "sendGoaway", "close"];

interface Row {
  /** The events that lead to the state. */
  readonly after: readonly Event[];
  readonly phase: Phase;
  /** The phase after each of `EVENTS`. */
  readonly next: readonly [Phase, Phase, Phase, Phase, Phase];
}

const OPENED = ["receiveSettings", "receiveSettingsAck"] as const;
const ALWAYS_DRAINING = ["Draining", "Draining", "Draining", "Draining", "Closed"] as const;
const ALWAYS_CLOSED = ["Closed", "Closed", "Closed", "Closed", "Closed"] as const;

const TABLE: Readonly<Record<string, Row>> = {
  "a new connection": {
    after: [],
    phase: "Opening",
    next: ["Opening", "Opening", "Draining", "Draining", "Closed"],
  },
  "a connection with the peer's SETTINGS": {
    after: ["receiveSettings"],
    phase: "Opening",
    next: ["Opening", "Open", "Draining", "Draining", "Closed"],
  },
  "a connection with the peer's acknowledgement": {
    after: ["receiveSettingsAck"],
    phase: "Opening",
    next: ["Open", "Opening", "Draining", "Draining", "Closed"],
  },
  "an open connection": {
    after: OPENED,
    phase: "Open",
    next: ["Open", "Open", "Draining", "Draining", "Closed"],
  },
  "a connection that received GOAWAY": {
    after: [...OPENED, "receiveGoaway"],
    phase: "Draining",
    next: ALWAYS_DRAINING,
  },
  "a connection that sent GOAWAY": { after: [...OPENED, "sendGoaway"], phase: "Draining", next: ALWAYS_DRAINING },
  "a connection that sent GOAWAY before SETTINGS": { after: ["sendGoaway"], phase: "Draining", next: ALWAYS_DRAINING },
  "a connection that received SETTINGS while it drained": {
    after: ["sendGoaway", ...OPENED],
    phase: "Draining",
    next: ALWAYS_DRAINING,
  },
  "a connection that was closed before SETTINGS": { after: ["close"], phase: "Closed", next: ALWAYS_CLOSED },
  "a connection that was closed while it was open": {
    after: [...OPENED, "close"],
    phase: "Closed",
    next: ALWAYS_CLOSED,
  },
  "a connection that was closed while it drained": {
    after: [...OPENED, "sendGoaway", "close"],
    phase: "Closed",
    next: ALWAYS_CLOSED,
  },
};

function stateAfter(events: readonly Event[]): ConnectionState {
  const state = new ConnectionState();
  for (const event of events) state[event]();
  return state;
}

for (const [name, { after, phase, next }] of Object.entries(TABLE)) {
  test(`${name} is ${phase}, and each event leads to the right phase`, () => {
    assert.equal(stateAfter(after).phase, ConnectionPhase[phase]);
    EVENTS.forEach((event, i) => {
      const state = stateAfter([...after, event]);
      assert.equal(state.phase, ConnectionPhase[next[i] as Phase], event);
      assert.equal(state.isClosed, next[i] === "Closed", event);
    });
  });
}

test("a connection remembers the frames that it has received, and not those that it has sent", () => {
  const facts = (events: readonly Event[]) => {
    const { settingsReceived, settingsAcknowledged, goawayReceived } = stateAfter(events);
    return [settingsReceived, settingsAcknowledged, goawayReceived];
  };
  assert.deepEqual(facts(["sendGoaway", "close"]), [false, false, false]);
  assert.deepEqual(facts(["receiveSettings"]), [true, false, false]);
  assert.deepEqual(facts(["receiveSettingsAck"]), [false, true, false]);
  assert.deepEqual(facts(["receiveGoaway"]), [false, false, true]);
  assert.deepEqual(facts([...OPENED, "receiveGoaway", "close"]), [true, true, true]);
});

/** The frames after which a connection only waits for its streams. */
const DRAINS: Readonly<Record<string, (harness: Harness) => unknown>> = {
  "the peer's GOAWAY": (harness) => harness.send(frame(FrameType.Goaway, 0, 0, uint32(0, 0))),
  "the second GOAWAY of this side": (harness) => {
    harness.connection.drain("bye");
    return harness.send(ping("farewell", Flag.Ack));
  },
};

for (const [name, drain] of Object.entries(DRAINS)) {
  test(`after ${name} the end of the last stream closes the connection, and without streams it closes immediately`, () => {
    const harness = Harness.settled(() => {});
    harness.send(headers(1, GET), headers(3, GET));
    drain(harness);
    harness.exchanges[0]?.respond(OK, new Uint8Array(0));
    harness.send(SETTINGS_ACK);
    assert.equal(harness.connection.isClosed, false);
    harness.exchanges[1]?.respond(OK, new Uint8Array(0));
    assert.equal(harness.connection.isClosed, true);
    const idle = Harness.settled();
    idle.send(headers(1, GET));
    drain(idle);
    assert.equal(idle.connection.isClosed, true);
  });
}

test("the end of the last stream closes neither an open connection nor one before its second GOAWAY", () => {
  const harness = Harness.settled();
  harness.send(headers(1, GET));
  assert.equal(harness.connection.isClosed, false);
  harness.connection.drain("bye");
  harness.send(headers(3, GET));
  assert.equal(harness.connection.isClosed, false);
});
