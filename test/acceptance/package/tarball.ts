/**
 * Packs the package, installs it in empty projects outside of the repository, type-checks programs that use it, and runs them
 * on each version of Node: `npm run package && tools/node.sh --test test/acceptance/package/tarball.ts`.
 */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { LANGUAGE } from "../../../tools/package.ts";
import { selfSigned } from "../../support/certificates.ts";
import { ROOT, run as runProgram } from "../../support/command.ts";
import { installWithNode } from "../../support/node-versions.ts";
import { startProcessIn } from "../../support/process.ts";

/** The oldest Node that the package supports, and the newest of each line before the pinned one. */
const OLDEST_NODE = "22.12.0";
const OLDER_NODES = [OLDEST_NODE, "22.23.5", "24.22.3"];
const TIMEOUT_MS = 300_000;
const FILES = join(import.meta.dirname, "files");
const { dependencies: PINNED, devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
const TYPESCRIPT = { pinned: `typescript@${devDependencies.typescript}`, older: "typescript@5.9.3" };

interface Project {
  readonly name: string;
  readonly type: "module" | "commonjs";
  readonly typescript: string;
  readonly compilerOptions: Readonly<Record<string, unknown>> & { readonly lib: readonly string[] };
  /** The version of protobuf-es. Default: the pinned one. */
  readonly protobuf?: string;
}

const PROJECTS: readonly Project[] = [
  {
    name: "ES modules by nodenext",
    type: "module",
    typescript: TYPESCRIPT.pinned,
    compilerOptions: { module: "nodenext", lib: ["es2023"] },
  },
  {
    name: "ES modules by a bundler's resolution, and the types of browsers",
    type: "module",
    typescript: TYPESCRIPT.older,
    compilerOptions: { module: "esnext", moduleResolution: "bundler", lib: ["es2023", "dom"] },
  },
  {
    name: "CommonJS by nodenext, on the oldest protobuf-es",
    type: "commonjs",
    typescript: TYPESCRIPT.pinned,
    compilerOptions: { module: "nodenext", lib: ["es2023"] },
    protobuf: "2.7.0",
  },
  {
    name: "CommonJS by the resolution of old Node",
    type: "commonjs",
    typescript: TYPESCRIPT.older,
    compilerOptions: { module: "commonjs", moduleResolution: "node10", lib: ["es2023"] },
  },
];

/** Options that make the compiler as strict as it can be. Declarations show if an inferred type cannot be named. */
const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  declaration: true,
  esModuleInterop: true,
  target: "es2022",
  types: ["node"],
  rootDir: ".",
  outDir: "out",
};

/** The type of browsers that Connect's declarations need. Those of this package do not need any. */
const BROWSER_TYPES = "type HeadersInit = Headers | Record<string, string> | [string, string][];\n";

let folder: string;
let tarball: string;
/** The programs of Node. */
const nodes = [process.execPath];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "package-"));
  const packed = await run(join(ROOT, "dist"), "npm", "pack", "--pack-destination", folder, "--json");
  tarball = join(folder, JSON.parse(packed)[0].filename);
  for (const version of OLDER_NODES) nodes.push(await installWithNode(join(folder, version), version));
});
after(() => rm(folder, { recursive: true }));

describe("the installed package", { concurrency: 2, timeout: TIMEOUT_MS }, () => {
  for (const [i, project] of PROJECTS.entries()) {
    test(`compiles and runs: ${project.name}`, async (t) => {
      const path = join(folder, `project-${i}`);
      await installProject(path, project.type, project.protobuf, project.typescript, "@types/node@22");
      await writeSources(path, project);
      await run(path, "npx", "--no-install", "tsc");
      if (project.typescript === TYPESCRIPT.pinned) await runScripts(t, path, project, join(folder, `scripts-${i}`));
      else await runPrograms(t, path, "out", process.execPath);
      if (i === 1) assert.equal(await run(path, process.execPath, "documented.mjs"), "");
      if (i === 3) await checkWithoutFiles(path);
    });
  }
});

/** Runs what the compiler has made on each Node, in a project without TypeScript. */
async function runScripts(t: TestContext, compiled: string, { type, protobuf }: Project, path: string): Promise<void> {
  await installProject(path, type, protobuf);
  await cp(join(compiled, "out"), join(path, "scripts"), { recursive: true });
  const packages = Object.keys(JSON.parse(await run(path, "npm", "ls", "--json")).dependencies);
  assert.deepEqual(packages, ["@bufbuild/protobuf", "@connect-sum/server", "@connectrpc/connect"]);
  for (const node of nodes) await runPrograms(t, path, "scripts", node);
}

async function runPrograms(t: TestContext, path: string, scripts: string, node: string): Promise<void> {
  const version = await run(path, node, "--version");
  const names = (await readdir(join(path, scripts))).filter((name) => /^(?:app|dual)\.m?js$/.test(name));
  for (const name of names) assert.equal(await run(path, node, join(scripts, name)), `ok ${version}`);
  await runMain(t, path, node, join(scripts, "main.js"));
}

/** Fails unless these checks find a file that the tarball lacks. */
async function checkWithoutFiles(path: string): Promise<void> {
  const installed = join(path, "node_modules/@connect-sum/server/cjs/src/server");
  await rm(join(installed, "http2/server.js"));
  await assert.rejects(run(path, process.execPath, "out/app.js"), /Cannot find module '.*http2\/server\.js'/);
  await rm(join(installed, "limits/limits.d.ts"));
  await assert.rejects(run(path, "npx", "--no-install", "tsc"), /limits\.js/);
}

test("the sources use only what the types of the oldest Node declare", { timeout: TIMEOUT_MS }, async () => {
  const path = join(folder, "sources");
  const { peerDependenciesMeta } = JSON.parse(await readFile(join(ROOT, "src/package/package.json"), "utf8"));
  const optional = Object.keys(peerDependenciesMeta).map((name) => `${name}@${PINNED[name]}`);
  await installProject(path, "module", undefined, TYPESCRIPT.pinned, `@types/node@${OLDEST_NODE}`, ...optional);
  const installed = join(path, "node_modules/@connect-sum/server");
  for (const name of ["src", "gen"]) await cp(join(installed, name), join(path, name), { recursive: true });
  const compilerOptions = { ...STRICT, ...LANGUAGE, module: "nodenext", skipLibCheck: true, noEmit: true };
  const config = { compilerOptions: { ...compilerOptions, allowImportingTsExtensions: true }, include: ["src", "gen"] };
  await writeFile(join(path, "tsconfig.json"), JSON.stringify(config));
  const { stdout } = await runProgram("npx", ["--no-install", "tsc", "--pretty", "false"], { cwd: path });
  const files = Array.from(stdout.matchAll(/^(\S+)\(\d+,\d+\): error/gm), ([, file]) => file);
  // The option requireHostHeader is in Node 20, but not in these types.
  assert.deepEqual(files, ["src/server/fallback/listener.ts"], stdout);
});

/** Makes a project with the tarball, its peers and more packages. */
async function installProject(path: string, type: string, protobuf = PINNED["@bufbuild/protobuf"], ...more: string[]) {
  await mkdir(path);
  await writeFile(
    join(path, "package.json"),
    JSON.stringify({ name: "some-app", version: "1.2.3", private: true, type }),
  );
  const peers = [`@bufbuild/protobuf@${protobuf}`, `@connectrpc/connect@${PINNED["@connectrpc/connect"]}`];
  await run(path, "npm", "install", "--no-audit", "--no-fund", tarball, ...peers, ...more);
  const { cert, key } = await selfSigned({ subject: "CN=localhost", names: [{ type: "dns", value: "localhost" }] });
  await writeFile(join(path, "cert.pem"), cert);
  await writeFile(join(path, "key.pem"), key);
}

async function writeSources(path: string, { type, compilerOptions }: Project): Promise<void> {
  for (const name of await readdir(FILES)) {
    if (name.endsWith(".mts") && type === "commonjs") continue;
    await cp(join(FILES, name), join(path, name));
  }
  await cp(join(ROOT, "test/gen/calls/v1/calls_pb.ts"), join(path, "calls_pb.ts"));
  if (type === "module") await writeBlocks(path);
  await writeFile(join(path, "browser.d.ts"), compilerOptions.lib.includes("dom") ? "" : BROWSER_TYPES);
  const config = { compilerOptions: { ...STRICT, ...compilerOptions }, include: ["*.ts", "*.mts", "gen"] };
  await writeFile(join(path, "tsconfig.json"), JSON.stringify(config));
}

/** Writes each program in the README to a file, and what the programs import besides the package and the routes. */
async function writeBlocks(path: string): Promise<void> {
  const readme = await readFile(join(path, "node_modules/@connect-sum/server/README.md"), "utf8");
  const blocks = Array.from(readme.matchAll(/^```ts\n(.*?)^```$/gms), ([, block = ""]) => block);
  assert.ok(blocks.length > 0);
  for (const [i, block] of blocks.entries()) {
    await writeFile(join(path, `readme-${i}.ts`), block);
    // Every block is JavaScript, too.
    await writeFile(join(path, "block.mjs"), block);
    await run(path, process.execPath, "--check", "block.mjs");
  }
  await mkdir(join(path, "gen"));
  await cp(join(ROOT, "examples/eliza/gen/eliza/v1/eliza_pb.ts"), join(path, "gen/eliza_pb.ts"));
  await writeFile(join(path, "frameworks.d.ts"), 'declare module "express";\ndeclare module "fastify";\n');
}

/** Runs the program of `run` until a signal ends it. */
async function runMain(t: TestContext, path: string, node: string, script: string): Promise<void> {
  assert.match(await run(path, node, script, "--version"), /^some-app 1\.2\.3 \(node /);
  for (const workers of ["1", "2"]) {
    const command = [node, script, "--port", "0", "--workers", workers] as const;
    const { child, exit, authority, stderr } = await startProcessIn(t, path, process.env, ...command);
    const response = await fetch(`http://${authority}/healthz`);
    assert.equal(await response.text(), "serving\n");
    child.kill("SIGTERM");
    assert.equal(await exit, 0);
    assert.equal(stderr(), "");
  }
}

/** Runs a program in a folder, without the programs of this repository's packages. Returns its output. */
async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const path = (process.env.PATH ?? "").split(delimiter).filter((each) => !each.includes("node_modules"));
  const env = { ...process.env, PATH: path.join(delimiter), npm_config_loglevel: "error" };
  const { code, stdout, stderr } = await runProgram(command, args, { cwd, env, timeout: TIMEOUT_MS });
  assert.equal(code, 0, `${command} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}
