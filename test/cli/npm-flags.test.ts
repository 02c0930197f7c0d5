/**
 * Tests that flags before `--`, which npm takes for itself, are named in an error, and other settings of npm are not.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { flagsTakenByNpm } from "../../src/cli/npm-flags.ts";
import { run } from "../support/command.ts";

const FOLDER = await mkdtemp(join(tmpdir(), "npmrc-"));
after(() => rm(FOLDER, { recursive: true }));

const FLAGS = [
  { flag: "json" },
  { flag: "port", takes: "PORT" },
  { flag: "idle-ms", takes: "DURATION" },
  { flag: "ca" },
];
const taken = (env: Record<string, string>, event = "start") =>
  flagsTakenByNpm(["start", "dev"], FLAGS, { npm_lifecycle_event: event, ...env });
const SENTENCE = "taken by npm as its own; put flags after --, as in: ";

test("a flag that npm took is named, with the command that passes it on", () => {
  assert.equal(taken({ npm_config_port: "true" }), `--port: ${SENTENCE}npm start -- --port PORT`);
  const both = { npm_config_idle_ms: "5", npm_config_json: "true" };
  assert.equal(taken(both, "dev"), `--json, --idle-ms: ${SENTENCE}npm run dev -- --json --idle-ms DURATION`);
});

test("--verbose, which npm turns into its loglevel, is named if the program has it too", () => {
  const flags = [{ flag: "verbose" }];
  const env = { npm_lifecycle_event: "client", npm_config_loglevel: "verbose" };
  assert.equal(flagsTakenByNpm(["client"], flags, env), `--verbose: ${SENTENCE}npm run client -- --verbose`);
  assert.equal(flagsTakenByNpm(["client"], flags, { ...env, npm_config_loglevel: "silly" }), undefined);
});

test("variables of npm that are not flags of ours, or belong to another script, are not named", () => {
  assert.equal(
    taken({ npm_config_loglevel: "verbose", npm_config_prefix: "/usr", NPM_CONFIG_JSON: "true" }),
    undefined,
  );
  assert.equal(taken({ npm_config_port: "true" }, "test"), undefined);
  assert.equal(flagsTakenByNpm(["start"], FLAGS, { npm_config_port: "true" }), undefined);
  assert.equal(taken({ npm_config_ca: "-----BEGIN CERTIFICATE-----\nMII" }), undefined);
});

for (const variable of ["npm_config_userconfig", "npm_config_globalconfig", "npm_config_local_prefix"]) {
  for (const line of ["json=true", "  json = true", "json", "x=1\njson=true\n", "json[]=true"]) {
    test(`a line ${JSON.stringify(line)} in the file of ${variable} is not a flag`, async () => {
      await writeFile(join(FOLDER, ".npmrc"), `other=1\n${line}`);
      const path = variable.endsWith("prefix") ? FOLDER : join(FOLDER, ".npmrc");
      assert.equal(taken({ npm_config_json: "true", [variable]: path }), undefined);
    });
  }
}

test("a comment, a longer name or a missing file does not hide a flag", async () => {
  await writeFile(join(FOLDER, ".npmrc"), "# json=true\n;json=true\njson-too=true\n//host/:json=true");
  for (const path of [join(FOLDER, ".npmrc"), join(FOLDER, "missing")])
    assert.equal(
      taken({ npm_config_json: "true", npm_config_userconfig: path }),
      `--json: ${SENTENCE}npm start -- --json`,
    );
});

test("npm start with a flag before -- does not start the server with other settings", async () => {
  for (const args of [["--port", "0"], ["--no-page"], ["--tls-cert=a", "--tls-key=b"]]) {
    const { code, stderr } = await run("npm", ["start", ...args]); // npm 12 itself rejects unknown flags
    assert.notEqual(code, 0);
    assert.match(stderr, /put flags after --, as in: npm start -- --|Unknown cli flag/);
  }
});
