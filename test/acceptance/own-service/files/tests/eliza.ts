/** Tests ElizaService: its function alone, and all kinds of methods over the wire. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ElizaService, Mood, SayRequestSchema } from "../../gen/acme/eliza/v1/eliza_pb.ts";
import { say } from "../../src/eliza.ts";
import { routes } from "../../src/routes.ts";
import { createServer } from "../../src/server/server.ts";

test("words of an answer are replaced", () => {
  const request = create(SayRequestSchema, { sentence: { text: "Hi!" }, replacements: { Hello: "Good morning" } });
  const { answer, heard } = say(request);
  assert.deepEqual([answer, heard], ["Good morning, how are you?", Mood.EXCITED]);
});

test("all kinds of methods are served", async (t) => {
  const client = await startClient(t);
  assert.equal((await client.say({ sentence: { text: "Hello" } })).answer, "Hello, how are you?");
  const introduced = await Array.fromAsync(client.introduce({ name: "Ada", sentences: 2 }));
  assert.deepEqual(
    introduced.map(({ sentence }) => sentence),
    ["Hi Ada, I'm Eliza.", "This is sentence 2."],
  );
  const { words } = await client.summarize(toAsync([{ sentence: { text: "Yes, yes." } }]));
  assert.deepEqual(words, { yes: 2 });
  const answers = await Array.fromAsync(client.converse(toAsync([{ sentence: "Hello" }])));
  assert.deepEqual(
    answers.map(({ answer }) => answer),
    ["Hello, how are you?"],
  );
});

test("too many sentences are an error", async (t) => {
  const client = await startClient(t);
  const call = Array.fromAsync(client.introduce({ sentences: 101 }));
  await assert.rejects(call, (error) => ConnectError.from(error).code === Code.InvalidArgument);
});

async function* toAsync<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

/** Starts the server on a free port. Returns a client of it. */
async function startClient(t: TestContext): Promise<Client<typeof ElizaService>> {
  const server = createServer({ routes });
  const { port } = await server.listen({ port: 0 });
  t.after(() => server.close());
  return createClient(ElizaService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }));
}
