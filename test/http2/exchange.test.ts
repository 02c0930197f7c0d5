/** The exchange of a handler: buffered and streamed bodies, complete and streamed responses, resets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_BYTES, type Exchange, type Field } from "../../src/server/http/exchange.ts";
import { data, fieldsOf, GET, headers, POST, rstStream, windowUpdate } from "./support/frames.ts";
import { Harness, OK } from "./support/harness.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Returns a handler that buffers the body, and adds the callback that was called to `log`. */
function buffering(log: string[], maxBytes = 10) {
  return (exchange: Exchange) =>
    exchange.bufferBody(
      maxBytes,
      (bytes) => log.push(`done ${Buffer.from(bytes)}`),
      () => log.push("over"),
    );
}

test("a buffered body is passed to `done` once, when it is complete, regardless of its frames", () => {
  for (const frames of [
    [data(1, "hello")],
    [data(1, "he", 0), data(1, "llo")],
    [data(1, "hello", 0), data(1, "")],
    [data(1, "", 0), data(1, "hello", 0), headers(1, [["x", "1"]])],
  ]) {
    const log: string[] = [];
    Harness.settled(buffering(log)).send(headers(1, POST, 0), ...frames);
    assert.deepEqual(log, ["done hello"]);
  }
});

test("the body of a request without content is passed to `done` immediately", () => {
  const log: string[] = [];
  Harness.settled(buffering(log)).send(headers(1, GET));
  assert.deepEqual(log, ["done "]);
});

test("`over` is called as soon as a body exceeds its limit, and the body can then be read from its beginning", async () => {
  const log: string[] = [];
  const harness = Harness.settled(buffering(log));
  harness.send(headers(1, POST, 0), data(1, "123456", 0));
  assert.deepEqual(log, []);
  harness.send(data(1, "789ab", 0), data(1, "c"));
  assert.deepEqual(log, ["over"]);
  const parts: Uint8Array[] = [];
  for await (const part of harness.exchanges[0]?.body ?? []) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), "123456789abc");
});

test("`over` is called before the body arrives if its content-length exceeds the limit", () => {
  const log: string[] = [];
  Harness.settled(buffering(log)).send(headers(1, [...POST, ["content-length", "11"]], 0));
  assert.deepEqual(log, ["over"]);
});

test("`over` is called for a single frame that exceeds the limit", () => {
  const log: string[] = [];
  Harness.settled(buffering(log)).send(headers(1, POST, 0), data(1, "123456789ab"));
  assert.deepEqual(log, ["over"]);
});

test("bufferBody may be called after bytes were received", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, POST, 0), data(1, "he", 0), data(1, "llo"));
  const log: string[] = [];
  buffering(log)(harness.exchanges[0] as Exchange);
  assert.deepEqual(log, ["done hello"]);
});

test("neither `done` nor `over` is called if the exchange is cancelled before", () => {
  const log: string[] = [];
  const harness = Harness.settled((exchange) => {
    buffering(log)(exchange);
    exchange.onCancelled = () => log.push("cancelled");
  });
  harness.send(headers(1, POST, 0), data(1, "he", 0), rstStream(1));
  assert.deepEqual(log, ["cancelled"]);
  assert.equal(harness.server.buffered.used, 0);
  assert.equal(harness.server.cancelledHandlers.used, 0, "no handler is running for it");
});

test("bufferBody frees the window as bytes are received, and without a reader the window is not freed (6.9)", () => {
  const limits = { streamWindowBytes: 65_535 };
  const frames = [headers(1, POST, 0), ...Array.from({ length: 4 }, () => data(1, Buffer.alloc(10_000), 0))];
  const buffered = Harness.settled(buffering([], 1 << 20), limits);
  assert.deepEqual(buffered.send(...frames), ["WindowUpdate 1 40000"]);
  const unread = Harness.settled(() => {}, limits);
  assert.deepEqual(unread.send(...frames), []);
});

test("a streamed body is read in pieces, and the window is freed as they are taken (6.9)", async () => {
  const harness = Harness.settled(() => {}, { streamWindowBytes: 65_535 });
  harness.send(headers(1, POST, 0), data(1, Buffer.alloc(16_000), 0), data(1, Buffer.alloc(16_000), 0));
  const body = harness.exchanges[0]?.body[Symbol.asyncIterator]();
  const first = await body?.next();
  assert.equal(first?.value?.length, 32_000);
  assert.deepEqual(harness.sent(), []);
  const second = body?.next();
  const sent = harness.send(data(1, Buffer.alloc(1_000), 0));
  assert.equal((await second)?.value?.length, 1_000);
  assert.deepEqual(sent, ["WindowUpdate 1 33000"]);
  const end = body?.next();
  harness.send(data(1, ""));
  assert.equal((await end)?.done, true);
});

test("reading a body throws after RST_STREAM and after the loss of the connection", async () => {
  for (const end of [
    (harness: Harness) => harness.send(rstStream(1)),
    (harness: Harness) => harness.connection.abort("lost"),
  ]) {
    const harness = Harness.settled(() => {});
    harness.send(headers(1, POST, 0), data(1, "a", 0));
    const body = harness.exchanges[0]?.body[Symbol.asyncIterator]();
    await body?.next();
    const next = body?.next();
    end(harness);
    await assert.rejects(async () => next, /read body: /);
    await assert.rejects(async () => body?.next(), /read body: /);
  }
});

test("if a reader stops early, the rest of the body is discarded", async () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, POST, 0), data(1, "a", 0));
  for await (const _ of harness.exchanges[0]?.body ?? []) break;
  harness.send(data(1, "b", 0));
  harness.exchanges[0]?.respond(OK, EMPTY_BYTES);
  assert.equal(harness.server.buffered.used, 0);
  assert.deepEqual(harness.send(data(1, "c")), ["Headers 1 200 end"]);
});

test("respond sends the same as start, write and end", () => {
  const trailers: readonly Field[] = [["x", "1"]];
  for (const body of ["", "hello"]) {
    for (const last of [undefined, [], trailers]) {
      const complete = Harness.settled((exchange) => exchange.respond(OK, Buffer.from(body), last));
      const parts = Harness.settled((exchange) => {
        exchange.start(OK);
        exchange.write(Buffer.from(body));
        exchange.end(last);
      });
      const end = last === trailers ? "Headers 1 trailers end" : undefined;
      const expected = body === "" ? [] : [`Data 1 5${end === undefined ? " end" : ""}`];
      assert.deepEqual(complete.send(headers(1, GET)), [
        `Headers 1 200${body === "" && end === undefined ? " end" : ""}`,
        ...expected,
        ...(end === undefined ? [] : [end]),
      ]);
      assert.deepEqual(
        parts
          .send(headers(1, GET))
          .map((sent) => sent.replace(" end", ""))
          .filter((sent) => sent !== "Data 1 0"),
        ["Headers 1 200", ...(body === "" ? [] : ["Data 1 5"]), ...(end === undefined ? [] : ["Headers 1 trailers"])],
      );
    }
  }
});

for (const [reason, code] of [
  [undefined, "CANCEL"],
  ["cancel", "CANCEL"],
  ["internal", "INTERNAL_ERROR"],
  ["refused", "REFUSED_STREAM"],
] as const) {
  test(`reset ${reason === undefined ? "without a reason" : `with the reason ${reason}`} sends RST_STREAM with ${code}, and nothing more is sent`, () => {
    const harness = Harness.settled((exchange) => {
      exchange.onCancelled = () => assert.fail("a reset by the handler is not a cancellation");
      exchange.reset(reason);
      exchange.respond(OK, EMPTY_BYTES);
      exchange.reset();
    });
    assert.deepEqual(harness.send(headers(1, POST, 0)), [`RstStream 1 ${code}`]);
    assert.equal(harness.server.cancelledHandlers.used, 0);
  });
}

test("responses to HEAD, and with status 204 or 304, have no content (RFC 9110, 6.4.1)", () => {
  const head: readonly Field[] = [[":method", "HEAD"], ...GET.slice(1)];
  for (const [fields, status] of [
    [head, 200],
    [GET, 204],
    [GET, 304],
  ] as const) {
    const responseHead = { status, fields: [] };
    const complete = Harness.settled((exchange) => exchange.respond(responseHead, Buffer.alloc(100_000)));
    assert.deepEqual(complete.send(headers(1, fields)), [`Headers 1 ${status} end`]);
    const small = Harness.settled((exchange) => exchange.respond(responseHead, Buffer.alloc(10)));
    assert.deepEqual(small.send(headers(1, fields)), [`Headers 1 ${status} end`]);
  }
});

const EXPECTING: readonly Field[] = [...POST, ["expect", "100-continue"]];

test("a client that expects 100 gets it once, when the handler first asks for the body (RFC 9110, 10.1.1)", async () => {
  const buffered = Harness.settled(buffering([]));
  assert.deepEqual(buffered.send(headers(1, EXPECTING, 0)), ["Headers 1 100"]);
  const streamed = Harness.settled(() => {});
  assert.deepEqual(streamed.send(headers(1, EXPECTING, 0)), []);
  const body = streamed.exchanges[0]?.body[Symbol.asyncIterator]();
  const next = body?.next();
  assert.deepEqual(streamed.sent(), ["Headers 1 100"]);
  streamed.send(data(1, "a", 0));
  await next;
  void body?.next();
  assert.deepEqual(streamed.sent(), [], "100 is sent once");
});

test("100 is not sent if the response comes first, or if the body has arrived (RFC 9110, 10.1.1)", () => {
  const early = Harness.settled((exchange) => exchange.respond(OK, EMPTY_BYTES));
  assert.deepEqual(early.send(headers(1, EXPECTING, 0)), ["Headers 1 200 end"]);
  const arrived = Harness.settled(() => {});
  arrived.send(headers(1, EXPECTING, 0), data(1, "a", 0));
  buffering([])(arrived.exchanges[0] as Exchange);
  assert.deepEqual(arrived.sent(), []);
});

test("a response gets a Date of the current second unless it has its own (RFC 9110, 6.6.1)", () => {
  const harness = Harness.settled((exchange) => {
    const own: readonly Field[] = exchange.request.path === "/" ? [] : [["date", "then"]];
    exchange.respond({ status: 200, fields: own }, EMPTY_BYTES);
  });
  const dates = (path: string, id: number) => {
    harness.connection.receive(headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", path]]));
    return harness.frames().map((frame) => fieldsOf(frame).date);
  };
  assert.deepEqual(dates("/", 1), ["Tue, 01 Jan 2030 00:00:00 GMT"]);
  harness.advance(1_000);
  assert.deepEqual(dates("/", 3), ["Tue, 01 Jan 2030 00:00:01 GMT"]);
  assert.deepEqual(dates("/own", 5), ["then"]);
});

test("frozen heads and trailers are encoded once, and others each time", () => {
  const fields: [string, string][] = [["x", "1"]];
  const head = { status: 200, fields };
  const harness = Harness.settled((exchange) => exchange.respond(head, EMPTY_BYTES, fields));
  const respond = (id: number) => {
    harness.connection.receive(headers(id, GET));
    return harness.frames().map((frame) => fieldsOf(frame).x);
  };
  assert.deepEqual(respond(1), ["1", "1"]);
  fields[0] = ["x", "2"];
  assert.deepEqual(respond(3), ["2", "2"]);
  Object.freeze(fields);
  Object.freeze(head);
  assert.deepEqual(respond(5), ["2", "2"]);
  assert.deepEqual(respond(7), ["2", "2"]);
});

for (const [name, head] of [
  ["a name in upper case", { status: 200, fields: [["X", "1"]] }],
  ["a line break in a value", { status: 200, fields: [["x", "1\r\ny: 2"]] }],
  ["a character in a value that is not a byte", { status: 200, fields: [["x", "\u010a"]] }],
  ["a control character in a value", { status: 200, fields: [["x", "\x7f"]] }],
  ["a connection-specific field", { status: 200, fields: [["connection", "close"]] }],
  ["an interim status", { status: 100, fields: [] }],
  ["an invalid status", { status: Number.NaN, fields: [] }],
] as const) {
  test(`a response with ${name} is an error of the handler, and is not sent (8.2)`, () => {
    const harness = Harness.settled((exchange) => exchange.respond(head, EMPTY_BYTES));
    assert.deepEqual(harness.send(headers(1, GET)), ["RstStream 1 INTERNAL_ERROR"]);
    assert.match(String(harness.errors[0]), /send (head|fields): /);
  });
}

test("a second response, and a body without a head, are errors of the handler", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET));
  const exchange = harness.exchanges[0] as Exchange;
  assert.throws(() => exchange.write(EMPTY_BYTES), /send body: /);
  assert.throws(() => exchange.end(), /end response: /);
  exchange.start(OK);
  assert.throws(() => exchange.start(OK), /send head: /);
  assert.throws(() => exchange.respond(OK, EMPTY_BYTES), /send response: /);
  exchange.end();
  exchange.end();
  assert.deepEqual(harness.sent(), ["Headers 1 200", "Data 1 0 end"]);
});

test("an error that a handler throws resets its stream, and no others", () => {
  const harness = Harness.settled((exchange) => {
    if (exchange.request.method === "POST") throw new Error("broken");
    exchange.respond(OK, EMPTY_BYTES);
  });
  const sent = harness.send(headers(1, POST), headers(3, GET));
  assert.deepEqual(sent, ["RstStream 1 INTERNAL_ERROR", "Headers 3 200 end"]);
  assert.match(String(harness.errors), /broken/);
});

test("onCancelled is called once: after RST_STREAM, at the end of the connection, or immediately if it is set later", () => {
  const log: string[] = [];
  const harness = Harness.settled((exchange) => {
    exchange.onCancelled = () => log.push(exchange.request.method);
  });
  harness.send(headers(1, GET), headers(3, POST), headers(5, POST));
  harness.exchanges[2]?.respond(OK, EMPTY_BYTES);
  harness.send(rstStream(1), rstStream(1), rstStream(5));
  assert.deepEqual(log, ["GET"]);
  harness.connection.abort("lost");
  harness.connection.abort("lost");
  assert.deepEqual(log, ["GET", "POST"]);
  const late = Harness.settled(() => {});
  late.send(headers(1, GET), rstStream(1));
  (late.exchanges[0] as Exchange).onCancelled = () => log.push("late");
  assert.equal(log.at(-1), "late");
});

test("the handler of a cancelled call counts as running until it responds, resets or buffers the body", () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET), headers(3, GET), headers(5, GET), rstStream(1), rstStream(3), rstStream(5));
  assert.equal(harness.server.cancelledHandlers.used, 3);
  harness.exchanges[0]?.respond(OK, EMPTY_BYTES);
  harness.exchanges[0]?.respond(OK, EMPTY_BYTES);
  assert.equal(harness.server.cancelledHandlers.used, 2);
  harness.exchanges[1]?.reset();
  buffering([])(harness.exchanges[2] as Exchange);
  assert.equal(harness.server.cancelledHandlers.used, 0);
});

test("write returns a promise while bytes are queued, which resolves when they are sent or the call is cancelled", async () => {
  const harness = Harness.settled(() => {});
  harness.send(headers(1, GET));
  const exchange = harness.exchanges[0] as Exchange;
  exchange.start(OK);
  assert.equal(exchange.write(Buffer.alloc(60_000)), undefined);
  const log: string[] = [];
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("resolved"));
  await nextTurn();
  assert.equal(log.length, 0);
  harness.send(windowUpdate(0, 100_000), windowUpdate(1, 100_000));
  await nextTurn();
  assert.equal(log.join(), "resolved");
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("resolved"));
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("cancelled"));
  harness.send(rstStream(1));
  await nextTurn();
  assert.deepEqual(log, ["resolved", "resolved", "cancelled"]);
  assert.equal(exchange.write(Buffer.alloc(1)), undefined);
});
