/** The exchange as handlers have it: buffered and streamed bodies, whole and streamed answers, resets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, Field } from "../../src/server/http/exchange.ts";
import { Bench, OK } from "./support/bench.ts";
import { data, fieldsOf, GET, headers, POST, rstStream, windowUpdate } from "./support/wire.ts";

const NOTHING = new Uint8Array(0);
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A handler that gathers, and writes down what happens. */
function buffering(log: string[], maxBytes = 10) {
  return (exchange: Exchange) =>
    exchange.bufferBody(
      maxBytes,
      (bytes) => log.push(`done ${Buffer.from(bytes)}`),
      () => log.push("over"),
    );
}

test("a buffered body is given once, when it is whole, however it came", () => {
  for (const frames of [
    [data(1, "hello")],
    [data(1, "he", 0), data(1, "llo")],
    [data(1, "hello", 0), data(1, "")],
    [data(1, "", 0), data(1, "hello", 0), headers(1, [["x", "1"]])],
  ]) {
    const log: string[] = [];
    Bench.settled(buffering(log)).send(headers(1, POST, 0), ...frames);
    assert.deepEqual(log, ["done hello"]);
  }
});

test("a request without a body is buffered at once", () => {
  const log: string[] = [];
  Bench.settled(buffering(log)).send(headers(1, GET));
  assert.deepEqual(log, ["done "]);
});

test("a body over the bound is over as soon as it is, and then can be read from its beginning", async () => {
  const log: string[] = [];
  const bench = Bench.settled(buffering(log));
  bench.send(headers(1, POST, 0), data(1, "123456", 0));
  assert.deepEqual(log, []);
  bench.send(data(1, "789ab", 0), data(1, "c"));
  assert.deepEqual(log, ["over"]);
  const parts: Uint8Array[] = [];
  for await (const part of bench.exchanges[0]?.body ?? []) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), "123456789abc");
});

test("a body whose content-length is over the bound is over before it comes", () => {
  const log: string[] = [];
  Bench.settled(buffering(log)).send(headers(1, [...POST, ["content-length", "11"]], 0));
  assert.deepEqual(log, ["over"]);
});

test("a body in one frame over the bound is over", () => {
  const log: string[] = [];
  Bench.settled(buffering(log)).send(headers(1, POST, 0), data(1, "123456789ab"));
  assert.deepEqual(log, ["over"]);
});

test("bufferBody may be called later, with what came until then", () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, POST, 0), data(1, "he", 0), data(1, "llo"));
  const log: string[] = [];
  buffering(log)(bench.exchanges[0] as Exchange);
  assert.deepEqual(log, ["done hello"]);
});

test("a request given up while it is buffered is neither done nor over, but abandoned", () => {
  const log: string[] = [];
  const bench = Bench.settled((exchange) => {
    buffering(log)(exchange);
    exchange.onCancelled = () => log.push("abandoned");
  });
  bench.send(headers(1, POST, 0), data(1, "he", 0), rstStream(1));
  assert.deepEqual(log, ["abandoned"]);
  assert.equal(bench.server.buffered.used, 0);
  assert.equal(bench.server.cancelledHandlers.used, 0, "no handler runs for it");
});

test("what is buffered is given back to the peer's window as it comes, and what is not read is not (6.9)", () => {
  const limits = { streamWindowBytes: 65_535 };
  const frames = [headers(1, POST, 0), ...Array.from({ length: 4 }, () => data(1, Buffer.alloc(10_000), 0))];
  const buffered = Bench.settled(buffering([], 1 << 20), limits);
  assert.deepEqual(buffered.send(...frames), ["WindowUpdate 1 40000"]);
  const unread = Bench.settled(() => {}, limits);
  assert.deepEqual(unread.send(...frames), []);
});

test("a streamed body comes in pieces, and the window opens as they are taken (6.9)", async () => {
  const bench = Bench.settled(() => {}, { streamWindowBytes: 65_535 });
  bench.send(headers(1, POST, 0), data(1, Buffer.alloc(16_000), 0), data(1, Buffer.alloc(16_000), 0));
  const body = bench.exchanges[0]?.body[Symbol.asyncIterator]();
  const first = await body?.next();
  assert.equal(first?.value?.length, 32_000);
  assert.deepEqual(bench.words(), []);
  const second = body?.next();
  const words = bench.send(data(1, Buffer.alloc(1_000), 0));
  assert.equal((await second)?.value?.length, 1_000);
  assert.deepEqual(words, ["WindowUpdate 1 33000"]);
  const end = body?.next();
  bench.send(data(1, ""));
  assert.equal((await end)?.done, true);
});

test("a streamed body throws when the peer gives up, and when its connection is lost", async () => {
  for (const end of [(bench: Bench) => bench.send(rstStream(1)), (bench: Bench) => bench.connection.abort("lost")]) {
    const bench = Bench.settled(() => {});
    bench.send(headers(1, POST, 0), data(1, "a", 0));
    const body = bench.exchanges[0]?.body[Symbol.asyncIterator]();
    await body?.next();
    const next = body?.next();
    end(bench);
    await assert.rejects(async () => next, /read body: /);
    await assert.rejects(async () => body?.next(), /read body: /);
  }
});

test("a reader that leaves early lets the rest be thrown away", async () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, POST, 0), data(1, "a", 0));
  for await (const _ of bench.exchanges[0]?.body ?? []) break;
  bench.send(data(1, "b", 0));
  bench.exchanges[0]?.respond(OK, NOTHING);
  assert.equal(bench.server.buffered.used, 0);
  assert.deepEqual(bench.send(data(1, "c")), ["Headers 1 200 end"]);
});

test("respond is start, write and end in one", () => {
  const trailers: readonly Field[] = [["x", "1"]];
  for (const body of ["", "hello"]) {
    for (const last of [undefined, [], trailers]) {
      const whole = Bench.settled((exchange) => exchange.respond(OK, Buffer.from(body), last));
      const parts = Bench.settled((exchange) => {
        exchange.start(OK);
        exchange.write(Buffer.from(body));
        exchange.end(last);
      });
      const end = last === trailers ? "Headers 1 trailers end" : undefined;
      const expected = body === "" ? [] : [`Data 1 5${end === undefined ? " end" : ""}`];
      assert.deepEqual(whole.send(headers(1, GET)), [
        `Headers 1 200${body === "" && end === undefined ? " end" : ""}`,
        ...expected,
        ...(end === undefined ? [] : [end]),
      ]);
      assert.deepEqual(
        parts
          .send(headers(1, GET))
          .map((words) => words.replace(" end", ""))
          .filter((words) => words !== "Data 1 0"),
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
  test(`reset for ${reason ?? "no reason"} is RST_STREAM of ${code}, and nothing after it`, () => {
    const bench = Bench.settled((exchange) => {
      exchange.onCancelled = () => assert.fail("it was not abandoned");
      exchange.reset(reason);
      exchange.respond(OK, NOTHING);
      exchange.reset();
    });
    assert.deepEqual(bench.send(headers(1, POST, 0)), [`RstStream 1 ${code}`]);
    assert.equal(bench.server.cancelledHandlers.used, 0);
  });
}

test("an answer to HEAD, and of 204 and 304, has no content (RFC 9110, 6.4.1)", () => {
  const head: readonly Field[] = [[":method", "HEAD"], ...GET.slice(1)];
  for (const [fields, status] of [
    [head, 200],
    [GET, 204],
    [GET, 304],
  ] as const) {
    const answer = { status, fields: [] };
    const whole = Bench.settled((exchange) => exchange.respond(answer, Buffer.alloc(100_000)));
    assert.deepEqual(whole.send(headers(1, fields)), [`Headers 1 ${status} end`]);
    const small = Bench.settled((exchange) => exchange.respond(answer, Buffer.alloc(10)));
    assert.deepEqual(small.send(headers(1, fields)), [`Headers 1 ${status} end`]);
  }
});

const EXPECTING: readonly Field[] = [...POST, ["expect", "100-continue"]];

test("a client that waits for 100 gets it when the body is first asked for (RFC 9110, 10.1.1)", async () => {
  const buffered = Bench.settled(buffering([]));
  assert.deepEqual(buffered.send(headers(1, EXPECTING, 0)), ["Headers 1 100"]);
  const streamed = Bench.settled(() => {});
  assert.deepEqual(streamed.send(headers(1, EXPECTING, 0)), []);
  const body = streamed.exchanges[0]?.body[Symbol.asyncIterator]();
  const next = body?.next();
  assert.deepEqual(streamed.words(), ["Headers 1 100"]);
  streamed.send(data(1, "a", 0));
  await next;
  void body?.next();
  assert.deepEqual(streamed.words(), [], "and once");
});

test("no 100 is sent where the answer does not need the body, or the body is here (RFC 9110, 10.1.1)", () => {
  const early = Bench.settled((exchange) => exchange.respond(OK, NOTHING));
  assert.deepEqual(early.send(headers(1, EXPECTING, 0)), ["Headers 1 200 end"]);
  const come = Bench.settled(() => {});
  come.send(headers(1, EXPECTING, 0), data(1, "a", 0));
  buffering([])(come.exchanges[0] as Exchange);
  assert.deepEqual(come.words(), []);
});

test("an answer has a Date, of this second, unless it brings its own (RFC 9110, 6.6.1)", () => {
  const bench = Bench.settled((exchange) => {
    const own: readonly Field[] = exchange.request.path === "/" ? [] : [["date", "then"]];
    exchange.respond({ status: 200, fields: own }, NOTHING);
  });
  const dates = (path: string, id: number) => {
    bench.connection.receive(headers(id, [...GET.filter(([name]) => name !== ":path"), [":path", path]]));
    return bench.frames().map((frame) => fieldsOf(frame).date);
  };
  assert.deepEqual(dates("/", 1), ["Tue, 01 Jan 2030 00:00:00 GMT"]);
  bench.pass(1_000);
  assert.deepEqual(dates("/", 3), ["Tue, 01 Jan 2030 00:00:01 GMT"]);
  assert.deepEqual(dates("/own", 5), ["then"]);
});

test("frozen heads and trailers are encoded once, and others as they are each time", () => {
  const fields: [string, string][] = [["x", "1"]];
  const head = { status: 200, fields };
  const bench = Bench.settled((exchange) => exchange.respond(head, NOTHING, fields));
  const say = (id: number) => {
    bench.connection.receive(headers(id, GET));
    return bench.frames().map((frame) => fieldsOf(frame).x);
  };
  assert.deepEqual(say(1), ["1", "1"]);
  fields[0] = ["x", "2"];
  assert.deepEqual(say(3), ["2", "2"]);
  Object.freeze(fields);
  Object.freeze(head);
  assert.deepEqual(say(5), ["2", "2"]);
  assert.deepEqual(say(7), ["2", "2"]);
});

for (const [what, head] of [
  ["a name in upper case", { status: 200, fields: [["X", "1"]] }],
  ["a line break in a value", { status: 200, fields: [["x", "1\r\ny: 2"]] }],
  ["a character in a value that is no byte", { status: 200, fields: [["x", "\u010a"]] }],
  ["a control character in a value", { status: 200, fields: [["x", "\x7f"]] }],
  ["a connection-specific field", { status: 200, fields: [["connection", "close"]] }],
  ["an interim status", { status: 100, fields: [] }],
  ["no status", { status: Number.NaN, fields: [] }],
] as const) {
  test(`an answer with ${what} is its handler's error, and nothing of it is sent (8.2)`, () => {
    const bench = Bench.settled((exchange) => exchange.respond(head, NOTHING));
    assert.deepEqual(bench.send(headers(1, GET)), ["RstStream 1 INTERNAL_ERROR"]);
    assert.match(String(bench.errors[0]), /send (head|fields): /);
  });
}

test("a second answer, and a body without a head, are their handler's errors", () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, GET));
  const exchange = bench.exchanges[0] as Exchange;
  assert.throws(() => exchange.write(NOTHING), /send body: /);
  assert.throws(() => exchange.end(), /end response: /);
  exchange.start(OK);
  assert.throws(() => exchange.start(OK), /send head: /);
  assert.throws(() => exchange.respond(OK, NOTHING), /send response: /);
  exchange.end();
  exchange.end();
  assert.deepEqual(bench.words(), ["Headers 1 200", "Data 1 0 end"]);
});

test("a handler that throws resets its stream, and no other", () => {
  const bench = Bench.settled((exchange) => {
    if (exchange.request.method === "POST") throw new Error("broken");
    exchange.respond(OK, NOTHING);
  });
  const words = bench.send(headers(1, POST), headers(3, GET));
  assert.deepEqual(words, ["RstStream 1 INTERNAL_ERROR", "Headers 3 200 end"]);
  assert.match(String(bench.errors), /broken/);
});

test("onCancelled is called once: on a reset, on the connection's end, and at once where it comes after", () => {
  const log: string[] = [];
  const bench = Bench.settled((exchange) => {
    exchange.onCancelled = () => log.push(exchange.request.method);
  });
  bench.send(headers(1, GET), headers(3, POST), headers(5, POST));
  bench.exchanges[2]?.respond(OK, NOTHING);
  bench.send(rstStream(1), rstStream(1), rstStream(5));
  assert.deepEqual(log, ["GET"]);
  bench.connection.abort("lost");
  bench.connection.abort("lost");
  assert.deepEqual(log, ["GET", "POST"]);
  const late = Bench.settled(() => {});
  late.send(headers(1, GET), rstStream(1));
  (late.exchanges[0] as Exchange).onCancelled = () => log.push("late");
  assert.equal(log.at(-1), "late");
});

test("a handler counts as running for a caller that is gone until it answers, resets or gathers", () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, GET), headers(3, GET), headers(5, GET), rstStream(1), rstStream(3), rstStream(5));
  assert.equal(bench.server.cancelledHandlers.used, 3);
  bench.exchanges[0]?.respond(OK, NOTHING);
  bench.exchanges[0]?.respond(OK, NOTHING);
  assert.equal(bench.server.cancelledHandlers.used, 2);
  bench.exchanges[1]?.reset();
  buffering([])(bench.exchanges[2] as Exchange);
  assert.equal(bench.server.cancelledHandlers.used, 0);
});

test("write gives a promise where the peer cannot take more, which settles when it can, or is gone", async () => {
  const bench = Bench.settled(() => {});
  bench.send(headers(1, GET));
  const exchange = bench.exchanges[0] as Exchange;
  exchange.start(OK);
  assert.equal(exchange.write(Buffer.alloc(60_000)), undefined);
  const log: string[] = [];
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("settled"));
  await turn();
  assert.equal(log.length, 0);
  bench.send(windowUpdate(0, 100_000), windowUpdate(1, 100_000));
  await turn();
  assert.equal(log.join(), "settled");
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("settled"));
  exchange.write(Buffer.alloc(60_000))?.then(() => log.push("gone"));
  bench.send(rstStream(1));
  await turn();
  assert.deepEqual(log, ["settled", "settled", "gone"]);
  assert.equal(exchange.write(Buffer.alloc(1)), undefined);
});
