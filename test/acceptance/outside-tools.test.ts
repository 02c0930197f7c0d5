/** Runs common tools against the server. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  type AddRequest,
  AddRequestSchema,
  type AddResponse,
  AddResponseSchema,
  CallService,
} from "../gen/calls/v1/calls_pb.ts";
import { AUTHORITY, SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { findJudge, findPython } from "../support/judge.ts";
import { startServer } from "../support/server.ts";

interface Trial {
  readonly tool: readonly string[];
  /** The arguments, with HOST for "host:port" of the server and URL for its address. */
  readonly args: string;
  readonly input?: string;
  readonly code?: number;
  /** Matches the output, stdout and then stderr. */
  readonly says: RegExp;
}

const GRPCURL = ["grpcurl"];
const PROBE = ["grpc_health_probe", "grpc-health-probe"];
const BUF = ["buf"];
const CURL = ["curl"];
const PYTHON = ["python3"];
const JSON_TYPE = "-H content-type:application/json";
const GET = "URL/calls.v1.CallService/Add?encoding=json&message={%22a%22:1,%22b%22:2}";
const SUM_3 = /"sum": ?3/;

const TRIALS: readonly Trial[] = [
  {
    tool: GRPCURL,
    args: "-plaintext HOST list",
    says: /^calls\.v1\.CallService\ngrpc\.health\.v1\.Health\ngrpc\.reflection/m,
  },
  {
    tool: GRPCURL,
    args: "-plaintext HOST list calls.v1.CallService",
    says: /^calls\.v1\.CallService\.Add\ncalls\.v1\.CallService\.Record\n$/,
  },
  {
    tool: GRPCURL,
    args: "-plaintext HOST describe calls.v1.CallService",
    says: /rpc Add \( \.calls\.v1\.AddRequest \) returns \( \.calls\.v1\.AddResponse \)/,
  },
  {
    tool: GRPCURL,
    args: "-plaintext HOST describe calls.v1.CallService.Add",
    says: /^calls\.v1\.CallService\.Add is a method/,
  },
  { tool: GRPCURL, args: "-plaintext HOST describe calls.v1.AddRequest", says: /int32 a = 1;[\s\S]*int32 b = 2;/ },
  { tool: GRPCURL, args: '-plaintext -d {"a":1,"b":2} HOST calls.v1.CallService/Add', says: SUM_3 },
  { tool: GRPCURL, args: "-plaintext -d @ HOST calls.v1.CallService/Add", input: '{"a":-1,"b":4}', says: SUM_3 },
  { tool: GRPCURL, args: '-plaintext -max-time 20 -d {"a":1,"b":2} HOST calls.v1.CallService/Add', says: SUM_3 },
  {
    tool: GRPCURL,
    args: '-plaintext -import-path test/proto -proto calls/v1/calls.proto -d {"a":1,"b":2} HOST calls.v1.CallService/Add',
    says: SUM_3,
  },
  {
    tool: GRPCURL,
    args: '-plaintext -d {"a":2147483647,"b":1} HOST calls.v1.CallService/Add',
    code: 64 + 11, // grpcurl adds gRPC's code
    says: /Code: OutOfRange\n\s*Message: add 2147483647 and 1: 2147483648 is outside int32/,
  },
  {
    tool: GRPCURL,
    args: '-plaintext -d {"service":"calls.v1.CallService"} HOST grpc.health.v1.Health/Check',
    says: /SERVING/,
  },

  { tool: PROBE, args: "-addr HOST", says: /status: SERVING/ },
  { tool: PROBE, args: "-addr HOST -service calls.v1.CallService", says: /status: SERVING/ },
  { tool: PROBE, args: "-addr HOST -service nope", code: 3, says: /no such service/ },

  ...["grpc", "grpcweb", "connect"].flatMap((protocol): Trial[] => [
    {
      tool: BUF,
      args: `curl --http2-prior-knowledge --protocol ${protocol} -d {"a":1,"b":2} URL/calls.v1.CallService/Add`,
      says: SUM_3,
    },
    {
      tool: BUF,
      args: `curl --http2-prior-knowledge --protocol ${protocol} --schema test/proto -d {"a":1,"b":2} URL/calls.v1.CallService/Add`,
      says: SUM_3,
    },
    {
      tool: BUF,
      args: `curl --http2-prior-knowledge --protocol ${protocol} -d {"a":2147483647,"b":1} URL/calls.v1.CallService/Add`,
      code: 11 << 3, // buf curl shifts the code by three bits
      says: /"code": "out_of_range"[\s\S]*"message": "add 2147483647 and 1/,
    },
    {
      tool: BUF,
      args: `curl --http2-prior-knowledge --protocol ${protocol} --list-methods URL`,
      says: /^calls\.v1\.CallService\/Add$/m,
    },
    ...["grpc-v1", "grpc-v1alpha"].map(
      (reflection): Trial => ({
        tool: BUF,
        args: `curl --http2-prior-knowledge --protocol ${protocol} --reflect-protocol ${reflection} -d {"a":1,"b":2} URL/calls.v1.CallService/Add`,
        says: SUM_3,
      }),
    ),
  ]),
  { tool: BUF, args: 'curl --schema test/proto -d {"a":1,"b":2} URL/calls.v1.CallService/Add', says: SUM_3 }, // over HTTP/1.1
  {
    tool: BUF,
    args: 'curl --protocol grpcweb --schema test/proto -d {"a":1,"b":2} URL/calls.v1.CallService/Add',
    says: SUM_3,
  },

  ...["--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge"].flatMap((version): Trial[] => [
    { tool: CURL, args: `-sS ${version} ${JSON_TYPE} -d {"a":1,"b":2} URL/calls.v1.CallService/Add`, says: SUM_3 },
    { tool: CURL, args: `-sSg ${version} ${GET}`, says: SUM_3 },
    { tool: CURL, args: `-sS ${version} URL`, says: /calls\.v1\.CallService: Add, Record[\s\S]*grpcurl -plaintext/ },
    {
      tool: CURL,
      args: `-sS ${version} --fail-with-body ${JSON_TYPE} -d {"a":2147483647,"b":1} URL/calls.v1.CallService/Add`,
      code: 22,
      says: /"code":"out_of_range"/,
    },
  ]),
];

for (const { tool, args, input = "", code = 0, says } of TRIALS) {
  test(`${tool[0]} ${args}`, async (t) => {
    const command = findJudge(t, ...tool);
    if (command === undefined) return;
    const { authority, url } = await startServer(t);
    const words = args.split(" ").map((word) => word.replace("HOST", authority).replace("URL", url));
    const result = await run(command, words, { input });
    assert.match(result.stdout + result.stderr, says);
    assert.equal(result.code, code);
  });
}

interface TlsTrial extends Trial {
  /** The part of `args` to remove if the client does not have a certificate. */
  readonly identity: string;
}

/** The trials over TLS. CA, CERT and KEY stand for the paths of PEM files. */
const TLS_TRIALS: readonly TlsTrial[] = [
  ...["list", '-d {"a":1,"b":2} HOST calls.v1.CallService/Add'].map((call): TlsTrial => {
    const words = call.includes("HOST") ? call : `HOST ${call}`;
    const says = call.includes("HOST") ? SUM_3 : /^calls\.v1\.CallService$/m;
    return { tool: GRPCURL, args: `-cacert CA -cert CERT -key KEY ${words}`, identity: "-cert CERT -key KEY", says };
  }),
  {
    tool: PROBE,
    args: "-addr HOST -tls -tls-ca-cert CA -tls-client-cert CERT -tls-client-key KEY",
    identity: "-tls-client-cert CERT -tls-client-key KEY",
    says: /status: SERVING/,
  },
  ...["grpc", "grpcweb", "connect"].map(
    (protocol): TlsTrial => ({
      tool: BUF,
      args: `curl --cacert CA --cert CERT --key KEY --protocol ${protocol} -d {"a":1,"b":2} URL/calls.v1.CallService/Add`,
      identity: "--cert CERT --key KEY",
      says: SUM_3,
    }),
  ),
  ...["--http1.0", "--http1.1", "--http2", "--tls-max 1.2"].flatMap((version) =>
    [`${JSON_TYPE} -d {"a":1,"b":2} URL/calls.v1.CallService/Add`, `-g ${GET}`].map(
      (call): TlsTrial => ({
        tool: CURL,
        args: `-sS ${version} --cacert CA --cert CERT --key KEY ${call}`,
        identity: "--cert CERT --key KEY",
        says: SUM_3,
      }),
    ),
  ),
  {
    tool: PYTHON,
    args: "test/fixtures/tls_client.py HOST CA CERT KEY",
    identity: "CERT KEY",
    says: /^sum: 3$/m,
  },
];

for (const { tool, args, identity, says } of TLS_TRIALS) {
  for (const mutual of [false, true]) {
    test(`${tool[0]} ${mutual ? args : args.replace(` ${identity}`, "")}`, async (t) => {
      const command = tool === PYTHON ? await findPython(t, "grpc") : findJudge(t, ...tool);
      if (command === undefined) return;
      const tls = { ...SERVER, clientCa: mutual ? AUTHORITY.cert : undefined };
      const { authority, url, log } = await startServer(t, { tls });
      const client = await AUTHORITY.issue({ subject: "CN=a client" });
      const folder = await temporaryFolder(t);
      const files = { CA: AUTHORITY.cert, CERT: client.cert, KEY: client.key };
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
      const call = (text: string) =>
        run(
          command,
          text
            .split(" ")
            .map((word) => (word in files ? join(folder, word) : word.replace("HOST", authority).replace("URL", url))),
        );
      const anonymous = await call(args.replace(` ${identity}`, ""));
      if (mutual) {
        assert.notEqual(anonymous.code, 0);
        assert.match(log.splice(0).join("\n"), /^refuse a connection from 127\.0\.0\.1: it has no client certificate$/);
      }
      const result = mutual ? await call(args) : anonymous;
      assert.match(result.stdout + result.stderr, says);
      assert.equal(result.code, 0);
    });
  }
}

for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
  test(`curl ${version} gets 304 for the ETag that it saved`, async (t) => {
    const command = findJudge(t, "curl");
    if (command === undefined) return;
    const { url } = await startServer(t);
    const folder = await temporaryFolder(t);
    const etag = join(folder, "etag");
    const args = ["-sSg", version, "-o", join(folder, "body"), "-w", "%{http_code}", GET.replace("URL", url)];
    assert.equal((await run(command, ["--etag-save", etag, ...args])).stdout, "200");
    assert.equal((await run(command, ["--etag-compare", etag, ...args])).stdout, "304");
  });
}

test("grpcurl -max-time ends a call that takes longer with DeadlineExceeded", async (t) => {
  const command = findJudge(t, "grpcurl");
  if (command === undefined) return;
  const { authority } = await startServer(t, {
    routes: (router) =>
      router.service(CallService, {
        add: (_, { signal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      }),
  });
  const result = await run(command, ["-plaintext", "-max-time", "0.5", authority, "calls.v1.CallService/Add"]);
  assert.match(result.stderr, /DeadlineExceeded/);
  assert.equal(result.code, 64 + 4);
});

for (const how of ["plain", "over TLS", "over mutual TLS"] as const) {
  test(`grpc-js gets sums and errors, ${how}`, async (t) => {
    const clientCa = how === "over mutual TLS" ? AUTHORITY.cert : undefined;
    const { port } = await startServer(t, { tls: how === "plain" ? undefined : { ...SERVER, clientCa } });
    const { cert, key } = await AUTHORITY.issue({ subject: "CN=a client" });
    const identity = clientCa === undefined ? [null, null] : [Buffer.from(key), Buffer.from(cert)];
    const channel =
      how === "plain"
        ? credentials.createInsecure()
        : credentials.createSsl(Buffer.from(AUTHORITY.cert), ...(identity as [Buffer | null, Buffer | null]));
    const client = new Client(`localhost:${port}`, channel);
    t.after(() => client.close());
    assert.equal((await add(client, { a: 1, b: 2 })).sum, 3);
    const error: ServiceError = await add(client, { a: 2147483647, b: 1 }).catch((reason) => reason);
    assert.equal(error.code, 11);
    assert.equal(error.details, "add 2147483647 and 1: 2147483648 is outside int32, -2147483648 to 2147483647");
  });
}

function add(client: Client, data: Omit<AddRequest, "$typeName">): Promise<AddResponse> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      "/calls.v1.CallService/Add",
      (message: AddRequest) => Buffer.from(toBinary(AddRequestSchema, message)),
      (bytes) => fromBinary(AddResponseSchema, bytes),
      { $typeName: "calls.v1.AddRequest", ...data },
      (error, sum) => (error === null ? resolve(sum as AddResponse) : reject(error)),
    ),
  );
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "judges-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
