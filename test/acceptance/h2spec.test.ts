/** Runs h2spec in strict mode against the process with its default settings. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SERVER } from "../support/certificates.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { startMain } from "../support/process.ts";

/**
 * The case that fails on a port without TLS. Its invalid preface, "INVALID CONNECTION PREFACE", is not HTTP/2, so the
 * port responds in HTTP/1.1 with 400 and closes the connection. h2spec reads this response as a frame.
 */
const OF_HTTP1 = /^ *× 2: Sends invalid connection preface$/;

for (const tls of [false, true]) {
  test(`h2spec passes ${tls ? "whole, over TLS" : "but for the one case that is HTTP/1.1's, without TLS"}`, async (t) => {
    const command = findJudge(t, "h2spec");
    if (command === undefined) return;
    const folder = await mkdtemp(join(tmpdir(), "h2spec-"));
    t.after(() => rm(folder, { recursive: true }));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    await Promise.all([writeFile(cert, SERVER.cert), writeFile(key, SERVER.key)]);
    const settings = tls ? ["--tls-cert", cert, "--tls-key", key] : [];
    const { authority } = await startMain(t, ...settings);
    const { port } = new URL(`http://${authority}`);
    const flags = ["--strict", "-p", port, ...(tls ? ["--tls", "--insecure"] : [])];
    const { stdout } = await run(command, [...flags, "generic", "http2", "hpack"], { timeout: 60_000 });
    const failures = stdout.includes("Failures:") ? stdout.slice(stdout.indexOf("Failures:")) : "";
    const unexpected = failures.split("\n").filter((line) => /^ *× /.test(line) && (tls || !OF_HTTP1.test(line)));
    assert.deepEqual(unexpected, [], failures);
    const [, passed, skipped, failed] = /^\d+ tests, (\d+) passed, (\d+) skipped, (\d+) failed$/m.exec(stdout) ?? [];
    assert.ok(Number(passed) >= 145, stdout);
    assert.deepEqual([skipped, failed], ["0", tls ? "0" : "1"]);
  });
}
