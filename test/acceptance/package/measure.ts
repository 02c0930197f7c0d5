/**
 * Measures installed applications on this package and on Connect's own adapters: packages, bytes on disk, and the time from
 * the start of the process to the first response. `npm run package && tools/node.sh test/acceptance/package/measure.ts`.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "../../support/command.ts";
import { callGrpc } from "./files/calls.ts";

const RUNS = 15;
const TIMEOUT_MS = 300_000;
/** A request with a = 2 and b = 3, and its response. */
const REQUEST = Buffer.from("08021003", "hex");
const RESPONSE = Buffer.from("0805", "hex");

const { dependencies: PINNED } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
const PEERS = ["@bufbuild/protobuf", "@connectrpc/connect"].map((name) => `${name}@${PINNED[name]}`);
const CONNECT_NODE = `@connectrpc/connect-node@${PINNED["@connectrpc/connect-node"]}`;

interface Application {
  readonly packages: readonly string[];
  readonly main: string;
}

const ROUTES = `
import { CallService } from "./calls_pb.js";
const routes = (router) => router.service(CallService, { add: ({ a, b }) => ({ sum: a + b }) });
`;
const AT_HTTP2 = `
const server = createServer(HANDLER).listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

/** Returns the applications. `tarball` is the path of this package. */
function applications(tarball: string): Readonly<Record<string, Application>> {
  const ours = [tarball, ...PEERS];
  return {
    "@connect-sum/server": {
      packages: ours,
      main: `import { createServer } from "@connect-sum/server";${ROUTES}
const { port } = await createServer({ routes }).listen({ port: 0 });
console.log(port);`,
    },
    "@connect-sum/server/node at node:http2": {
      packages: ours,
      main: `import { createServer } from "node:http2";
import { nodeAdapter } from "@connect-sum/server/node";${ROUTES}${AT_HTTP2.replace("HANDLER", "nodeAdapter({ routes })")}`,
    },
    "connect-node at node:http2": {
      packages: [CONNECT_NODE, ...PEERS],
      main: `import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";${ROUTES}${AT_HTTP2.replace("HANDLER", "connectNodeAdapter({ routes })")}`,
    },
    "connect-fastify at node:http2": {
      packages: ["fastify@5", "@connectrpc/connect-fastify@2.2", CONNECT_NODE, ...PEERS],
      main: `import { fastify } from "fastify";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";${ROUTES}
const server = fastify({ http2: true });
await server.register(fastifyConnectPlugin, { routes });
await server.listen({ host: "127.0.0.1", port: 0 });
console.log(server.server.address().port);`,
    },
  };
}

const folder = await mkdtemp(join(tmpdir(), "measure-"));
try {
  const tarball = await pack();
  const times = new Map<string, number[]>();
  const entries = Object.entries(applications(tarball)).map(([name, each], i) => ({
    name,
    ...each,
    path: join(folder, `${i}`),
  }));
  for (const { name, path, packages, main } of entries) {
    await install(path, packages, main);
    const { count, bytes } = await sizeOf(join(path, "node_modules"));
    console.log(`${name}: ${count} packages, ${megabytes(bytes)} in node_modules`);
    times.set(name, []);
  }
  for (let i = 0; i < RUNS; i++) for (const { name, path } of entries) times.get(name)?.push(await startMs(path));
  for (const [name, each] of times) console.log(`${name}: first response after ${Math.round(median(each))} ms`);
} finally {
  await rm(folder, { recursive: true });
}

async function pack(): Promise<string> {
  const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(
    await npm(join(ROOT, "dist"), "pack", "--pack-destination", folder, "--json"),
  );
  console.log(`the package: ${megabytes(size)} packed, ${megabytes(unpackedSize)} unpacked, ${entryCount} files`);
  return join(folder, filename);
}

async function install(path: string, packages: readonly string[], main: string): Promise<void> {
  await mkdir(path);
  await writeFile(join(path, "package.json"), '{ "type": "module", "private": true }');
  await npm(path, "install", "--no-audit", "--no-fund", ...packages);
  await writeFile(join(path, "main.js"), main);
  const contract = await readFile(join(ROOT, "test/gen/calls/v1/calls_pb.ts"), "utf8");
  await writeFile(join(path, "calls_pb.js"), stripTypeScriptTypes(contract));
}

async function npm(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("npm", args, { cwd, timeout: TIMEOUT_MS });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Returns the number of packages, and the bytes of all files. */
async function sizeOf(modules: string): Promise<{ readonly count: number; readonly bytes: number }> {
  const names = await readdir(modules, { recursive: true });
  const stats = await Promise.all(names.map((name) => lstat(join(modules, name))));
  const count = names.filter((name) =>
    /(?:^|node_modules\/)(?:@[^/]+\/)?[^@./][^/]*\/package\.json$/.test(name),
  ).length;
  return { count, bytes: stats.reduce((sum, each) => sum + (each.isFile() ? each.size : 0), 0) };
}

/** Starts the application, calls it once by gRPC, and ends it. Returns the time to the response. */
async function startMs(path: string): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, ["main.js"], { cwd: path, stdio: ["ignore", "pipe", "inherit"] });
  const [port] = await once(child.stdout, "data");
  const { messages } = await callGrpc(`http://127.0.0.1:${String(port).trim()}`, "/calls.v1.CallService/Add", REQUEST);
  const ms = performance.now() - started;
  assert.deepEqual(messages, [RESPONSE]);
  child.kill("SIGKILL");
  await once(child, "exit");
  return ms;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(2)} MB`;
}
