/** Errors of handlers: the part that clients receive, and the part that is logged. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import { CELLS, type Cell, callIn, isGrpc } from "../support/cells.ts";
import { Echo, echoRoutes } from "../support/protos.ts";
import { turns } from "../support/raw.ts";
import { startServer } from "../support/server.ts";
import { TRANSPORTS } from "../support/transports.ts";

const SAY = "/fixture.Echo/Say";

/** Returns the name of a protocol in a handler's context. */
const nameOf = (protocol: string): string => protocol.split(" ", 1)[0]?.toLowerCase() as string;

for (const cell of CELLS) {
  // A StringValue of "private".
  const message = cell.codec === "proto" ? Buffer.from("\x0a\x07private") : Buffer.from('"private"');

  for (const fastPath of [true, false]) {
    test(`an exception is "internal error" for the client, and is logged with its stack, ${fastPath ? "with" : "without"} the fast path, in ${cell.name}`, async (t) => {
      const { authority, log } = await startServer(t, {
        fastPath,
        routes: echoRoutes({
          say() {
            throw new TypeError("the database is on fire");
          },
        }),
      });
      const outcome = await callIn(cell, authority, { path: SAY, message });
      assert.deepEqual([outcome.code, outcome.message], ["internal", "internal error"]);
      assert.equal(outcome.status, isGrpc(cell) ? 200 : 500);
      assert.doesNotMatch(outcome.response.body.toString("latin1"), /fire|TypeError/);
      const [entry = "", ...more] = log.splice(0);
      assert.equal(
        entry.split("\n", 1)[0],
        `handle ${SAY} by ${nameOf(cell.protocol)}: TypeError: the database is on fire`,
      );
      assert.match(entry, /\n +at .*errors\.test\.ts/);
      assert.doesNotMatch(entry, /private/);
      assert.deepEqual(more, []);
    });
  }

  test(`the error of a handler keeps its code, even with the text of a codec error, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t, {
      routes: echoRoutes({
        say() {
          throw new ConnectError("parse binary: the disk is full", Code.Internal);
        },
      }),
    });
    const outcome = await callIn(cell, authority, { path: SAY, message });
    assert.deepEqual([outcome.code, outcome.message], ["internal", "parse binary: the disk is full"]);
  });

  test(`an exception after the client's timeout is not logged, in ${cell.name}`, async (t) => {
    const { authority } = await startServer(t, {
      routes: echoRoutes({
        async say(_, { signal }) {
          if (!signal.aborted) await once(signal, "abort");
          throw new Error("an exception after the end");
        },
      }),
    });
    const outcome = await callIn(cell, authority, { path: SAY, message, timeout: isGrpc(cell) ? "10m" : "10" });
    assert.equal(outcome.code, "deadline_exceeded");
  });
}

test("a thrown value that is not an Error is logged too", async (t) => {
  for (const cell of CELLS) {
    const { authority, log } = await startServer(t, { routes: echoRoutes({ say: () => Promise.reject("a word") }) });
    const outcome = await callIn(cell, authority, {
      path: SAY,
      message: Buffer.from(cell.codec === "json" ? '""' : ""),
    });
    assert.deepEqual([outcome.code, outcome.message], ["internal", "internal error"]);
    assert.deepEqual(log.splice(0), [`handle ${SAY} by ${nameOf(cell.protocol)}: a word`]);
  }
});

test("repeated exceptions are logged once per procedure and second, with their number", async (t) => {
  const { authority, log } = await startServer(t, { routes: echoRoutes({ say: () => Promise.reject("a word") }) });
  const [cell] = CELLS;
  for (let i = 0; i < 5; i++) await callIn(cell as Cell, authority, { path: SAY, message: Buffer.from("") });
  await sleep(1_000);
  await callIn(cell as Cell, authority, { path: SAY, message: Buffer.from("") });
  const entry = `handle ${SAY} by grpc: a word`;
  assert.deepEqual(log.splice(0), [entry, `${entry}, and 4 times before`]);
});

for (const { name, http, tls, create } of TRANSPORTS) {
  test(`an exception in a stream is "internal error" and logged once, by ${name}`, async (t) => {
    const fail = (): never => {
      throw new TypeError("the database is on fire");
    };
    const { url, log } = await startServer(t, {
      tls,
      routes: echoRoutes({
        async *repeat(request) {
          yield request;
          fail();
        },
        async join(requests) {
          for await (const _ of requests) fail();
          return {};
        },
        async *chat(requests) {
          for await (const request of requests) {
            yield request;
            fail();
          }
        },
      }),
    });
    const client = createClient(Echo, create(url));
    const calls = {
      Repeat: () => Array.fromAsync(client.repeat({ value: "private" })),
      Join: () => client.join(one({ value: "private" })),
      ...(http === "2" && { Chat: () => Array.fromAsync(client.chat(one({ value: "private" }))) }),
    };
    for (const [method, call] of Object.entries(calls)) {
      await assert.rejects(call, { code: Code.Internal, rawMessage: "internal error" }, method);
      const [entry = "", ...more] = log.splice(0);
      assert.match(
        entry,
        new RegExp(`^handle /fixture.Echo/${method} by ${nameOf(name)}: TypeError: the database is on fire\n`),
      );
      assert.doesNotMatch(entry, /private/);
      assert.deepEqual(more, [], method);
    }
  });

  test(`a ConnectError reaches the client with its message, details and metadata, by ${name}`, async (t) => {
    const refuse = (): never => {
      const details = [{ desc: StringValueSchema, value: { value: "why" } }];
      throw new ConnectError("no é more", Code.ResourceExhausted, { "x-quota": "0", "x-id-bin": "AAE" }, details);
    };
    const { url } = await startServer(t, {
      routes: echoRoutes({
        say: refuse,
        async *repeat() {
          yield refuse();
        },
      }),
    });
    const client = createClient(Echo, create(url));
    for (const call of [() => client.say({}), () => Array.fromAsync(client.repeat({}))]) {
      const error = await (call() as Promise<unknown>).then(() => assert.fail("no error"), ConnectError.from);
      assert.deepEqual([error.code, error.rawMessage], [Code.ResourceExhausted, "no é more"]);
      assert.deepEqual(
        error.findDetails(StringValueSchema).map(({ value }) => value),
        ["why"],
      );
      assert.deepEqual([error.metadata.get("x-quota"), error.metadata.get("x-id-bin")], ["0", "AAE"]);
    }
  });

  test(`a cancellation aborts the handler's signal, and its exception is not logged, by ${name}`, async (t) => {
    for (const method of ["say", "repeat"] as const) {
      const started = Promise.withResolvers<void>();
      const ended = Promise.withResolvers<unknown>();
      async function untilAborted({ signal }: HandlerContext): Promise<never> {
        started.resolve();
        if (!signal.aborted) await once(signal, "abort");
        ended.resolve(signal.reason);
        throw new Error("an exception after the end");
      }
      const { url } = await startServer(t, {
        routes: echoRoutes({
          say: (_, context) => untilAborted(context),
          async *repeat(request, context) {
            yield request;
            await untilAborted(context);
          },
        }),
      });
      const abort = new AbortController();
      const client = createClient(Echo, create(url));
      const options = { signal: abort.signal };
      const call = method === "say" ? client.say({}, options) : Array.fromAsync(client.repeat({}, options));
      const refused = assert.rejects(call as Promise<unknown>, { code: Code.Canceled });
      await started.promise;
      abort.abort();
      await refused;
      const reason = await ended.promise;
      assert.ok(reason instanceof ConnectError && reason.code === Code.Canceled, String(reason));
    }
  });

  test(`a handler waits for a client that does not read, and ends when the client cancels, by ${name}`, async (t) => {
    let count = 0;
    const ended = Promise.withResolvers<void>();
    const { url } = await startServer(t, {
      routes: echoRoutes({
        async *repeat() {
          try {
            for (; count < 20_000; count++) yield { value: "x".repeat(1000) }; // too small to be compressed
            throw new Error("the handler did not wait for the client");
          } finally {
            ended.resolve();
          }
        },
      }),
    });
    const abort = new AbortController();
    const responses = createClient(Echo, create(url)).repeat({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await responses.next();
    for (let before = -1; before < count; ) {
      before = count;
      await turns(50);
    }
    abort.abort();
    await ended.promise;
  });
}

async function* one<T>(value: T): AsyncIterable<T> {
  yield value;
}
