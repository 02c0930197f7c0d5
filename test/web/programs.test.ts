/** Runs the snippets for every kind of method and of field: the server receives the messages that they were made of. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  fromJsonString,
  type JsonValue,
  type Message,
  toJson,
  toJsonString,
} from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { createSnippets, type Snippet } from "../../web/call/snippets.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { type Result, ROOT, run } from "../support/command.ts";
import { findJudge, findPython } from "../support/judge.ts";
import { makeWorkspace, runPython, runTypeScript } from "../support/programs.ts";
import { compile } from "../support/protos.ts";
import { Random } from "../support/random.ts";
import { randomMessage } from "../support/random-message.ts";
import { startServer } from "../support/server.ts";

const PROTOS = "test/fixtures/snippets";
const registry = createFileRegistry(compile(PROTOS));
const service = registry.getService("acme.everything.v1.EverythingService") as DescService;
const Everything = registry.getMessage("acme.everything.v1.Everything") as DescMessage;

const TOOLS = ["grpcurl", "buf curl", "curl", "Python", "TypeScript"] as const;
const HEADERS = [
  ["X-Words", 'it\'s "a", b; $HOME'],
  ["x-bytes-bin", "AQL/"],
] as const;
const TIMEOUT_MS = 30_000;

/** Messages with values that literals and shells could change. */
const UNUSUAL: readonly JsonValue[] = [
  {},
  { byName: { ["__proto__"]: 1, constructor: 2, "a-b": 3, "": 4 }, bySign: { "-1": "AQI=", "0": "" } },
  { stringValue: "\u0000\u0001\u001b\u007f\u0085\u2028\ufeff'\"\\$`%s%b\\0!\r\n\t", bytesValue: "IlxcACc=" },
  {
    doubleValue: "NaN",
    floatValue: "-Infinity",
    doubles: [1e300, 5e-324, 1, 1e21, "Infinity"],
    mood: 99,
    moods: [-1, 7],
  },
  { int64Value: "-9223372036854775808", uint64Value: "18446744073709551615", numbers: ["-1"], optionalValue: 0 },
  { text: "", nested: { chosenMood: "MOOD_UNSPECIFIED", nested: { raw: "" } } },
  { wrapped: "0", int64Wrapper: "0", bytesWrapper: "", doubleWrappers: [0], boolWrappers: { a: false } },
  {
    from: "a",
    class: 1,
    lambda: {},
    constructor: "b",
    Proto: "c",
  },
];

/** A message with a field in the encoding of a group, for which grpcurl sends invalid bytes. */
const DELIMITED: JsonValue = { other: { inner: { group: { yes: true } } } };

const WELL_KNOWN: JsonValue = {
  time: "2026-01-02T03:04:05.000000006Z",
  duration: "-1.5s",
  struct: { ["__proto__"]: { a: [1, null, true, "b"] }, "c d": -0.5, e: -0, f: 1e21, g: "Infinity", h: {} },
  value: { a: [{}] },
  list: [null, "a", [1]],
  mask: "a,b.cD",
  any: { "@type": "type.googleapis.com/acme.everything.v1.Types", name: "a", size: "SIZE_LARGE" },
  empty: {},
  structs: [{ a: 1 }, {}],
  structsByName: { a: { b: null } },
  anys: [
    { "@type": "type.googleapis.com/google.protobuf.Timestamp", value: "1970-01-01T00:00:00Z" },
    { "@type": "type.googleapis.com/acme.class.v1.Types.Inner", deep: "None" },
  ],
  chosenStruct: { a: "b" },
};

interface Received {
  readonly messages: Message[];
  readonly contexts: HandlerContext[];
}

test("snippets make the call that they were made of", { timeout: 300_000 }, async (t) => {
  const cwd = await makeWorkspace(t, PROTOS);
  const received: Received = { messages: [], contexts: [] };
  const authority = await startRecorder(t, received);
  const programs: string[] = [];

  async function check(t: TestContext, tool: Snippet["name"], name: string, inputs: readonly Message[]): Promise<void> {
    const method = service.method[name] as DescMethod;
    const options = { registry, headers: HEADERS, timeoutMs: TIMEOUT_MS };
    const snippets = createSnippets(method, inputs, { scheme: "http", authority }, options);
    const snippet = snippets.find((each) => each.name === tool)?.text ?? "";
    if (tool === "TypeScript") programs.push(snippet);
    const result = await runSnippet(t, tool, snippet, cwd);
    if (result === undefined) return;
    assert.deepEqual([result.code, result.stderr], [0, ""]);
    const isProgram = tool === "Python" || tool === "TypeScript";
    const sent = isProgram ? inputs : inputs.map((input) => throughJson(method.input, input));
    const json = (messages: readonly Message[]) => messages.map((each) => toJson(method.input, each, { registry }));
    assert.deepEqual(json(received.messages.splice(0)), json(sent));
    const [context] = received.contexts.splice(0);
    for (const [name, value] of HEADERS) assert.equal(context?.requestHeader.get(name), value);
    assert.ok((context?.timeoutMs() ?? Infinity) <= TIMEOUT_MS);
  }

  for (const tool of TOOLS) {
    for (const name of ["get", "watch", "send", "chat"]) {
      await t.test(`${tool} calls a method that is ${service.method[name]?.methodKind}`, (t) =>
        check(t, tool, name, [randomMessage(new Random(1), Everything)]),
      );
    }
    await t.test(`${tool} sends random messages with every kind of field, and unusual ones`, (t) => {
      const random = new Random(2);
      const inputs = Array.from({ length: 60 }, () => randomMessage(random, Everything, 2));
      const unusual = tool === "grpcurl" ? UNUSUAL : [...UNUSUAL, DELIMITED];
      return check(t, tool, "send", [...unusual.map((json) => fromJson(Everything, json)), ...inputs]);
    });
    await t.test(`${tool} sends a stream without messages`, (t) => check(t, tool, "send", []));
    for (const [name, json] of [
      ["pack", WELL_KNOWN],
      ["hold", "it's"],
      ["idle", {}],
      ["nest", { name: "a" }],
      ["stamp", "2026-01-02T03:04:05.678Z"],
    ] as const) {
      const input = (service.method[name] as DescMethod).input;
      await t.test(`${tool} sends ${input.typeName}`, (t) =>
        check(t, tool, name, [fromJson(input, json, { registry })]),
      );
    }
    await t.test(`${tool} sends a message that is larger than an argument of a program may be`, (t) => {
      const stringValue = "it's $HOME \\ `id` 한국어 \n".repeat(10_000);
      return check(t, tool, "get", [fromJson(Everything, { stringValue })]);
    });
  }

  await t.test("the TypeScript programs have no type errors by this repository's options", async () => {
    for (const [i, program] of programs.entries()) await writeFile(join(cwd, `program-${i}.ts`), program);
    const config = { extends: join(ROOT, "tsconfig.json"), include: ["*.ts"], exclude: [] };
    await writeFile(join(cwd, "tsconfig.json"), JSON.stringify(config));
    assert.deepEqual(await run("tsc", ["-p", "."], { cwd }), { code: 0, stdout: "", stderr: "" });
  });
});

test("commands for a bidirectional stream make the call over TLS", async (t) => {
  const received: Received = { messages: [], contexts: [] };
  const authority = await startRecorder(t, received, { tls: SERVER });
  const cwd = await makeWorkspace(t, PROTOS);
  await writeFile(join(cwd, "ca.pem"), AUTHORITY.cert);
  const inputs = [1, 2].map((int32Value) => fromJson(Everything, { int32Value }));
  const address = { scheme: "https", authority, ca: "ca.pem" } as const;
  for (const { name, text } of createSnippets(service.method.chat as DescMethod, inputs, address)) {
    if (name === "Python" || name === "TypeScript") continue;
    const result = await runSnippet(t, name, text, cwd);
    if (result === undefined) continue;
    assert.deepEqual([result.code, result.stderr], [0, ""], text);
    assert.equal(received.messages.splice(0).length, 2, text);
  }
});

test("a message without a form in JSON has programs, but no commands", () => {
  const method = service.method.stamp as DescMethod;
  const input = create(method.input, { seconds: 10n ** 15n } as Record<string, unknown>);
  const snippets = createSnippets(method, [input], { scheme: "http", authority: "a:1" });
  assert.deepEqual(
    snippets.map(({ name }) => name),
    ["Python", "TypeScript"],
  );
});

/** Starts a server that keeps all messages that it receives. Returns its authority. */
async function startRecorder(t: TestContext, { messages, contexts }: Received, options = {}): Promise<string> {
  function one(message: Message, context: HandlerContext): object {
    messages.push(message);
    contexts.push(context);
    return {};
  }
  async function all(stream: AsyncIterable<Message>, context: HandlerContext): Promise<object> {
    for await (const message of stream) messages.push(message);
    contexts.push(context);
    return {};
  }
  const implementation = {
    ...Object.fromEntries(["get", "pack", "hold", "idle", "nest", "stamp"].map((name) => [name, one])),
    async *watch(message: Message, context: HandlerContext) {
      yield one(message, context);
      yield {};
    },
    send: all,
    async *chat(stream: AsyncIterable<Message>, context: HandlerContext) {
      yield await all(stream, context);
    },
  };
  const { authority } = await startServer(t, {
    routes: (router) => void router.service(service, implementation as object, { jsonOptions: { registry } }),
    ...options,
  });
  return authority;
}

/** Returns undefined if the snippet is skipped without its tool. */
async function runSnippet(
  t: TestContext,
  tool: Snippet["name"],
  snippet: string,
  cwd: string,
): Promise<Result | undefined> {
  if (tool === "TypeScript") return runTypeScript(snippet, cwd);
  if (tool === "Python") {
    const python = await findPython(t, "grpc", "grpc_tools");
    return python === undefined ? undefined : runPython(python, snippet, cwd);
  }
  const [program = ""] = tool.split(" ");
  if (findJudge(t, program) === undefined) return undefined;
  const file = join(cwd, "command.sh"); // an argument of sh would be too small for it
  await writeFile(file, snippet.replace(/^curl/, "curl -sS"));
  return run("sh", [file], { cwd });
}

/** Returns the message as JSON has it: without the sign of -0. */
function throughJson(desc: DescMessage, message: Message): Message {
  return fromJsonString(desc, toJsonString(desc, message, { registry }), { registry });
}
