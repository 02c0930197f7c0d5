/** Tests that processes that share one stderr, such as workers, do not break the lines of each other. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ENV, ROOT } from "../support/command.ts";
import { recordOf } from "../support/log.ts";

/** Two processes that write 3 MB each. Without `| cat`, their stderr is a socket, as that of a service of systemd. */
const WRITERS = '{ "$0" "$1" json 10000 exit & "$0" "$1" json 10000 exit & wait; } 2>&1 >/dev/null';

for (const [kind, command] of [
  ["pipe", `${WRITERS} | cat`],
  ["socket", WRITERS],
] as const)
  test(`each line of two processes that share a ${kind} with a slow reader is whole`, async (t) => {
    const args = ["-c", command, process.execPath, "test/fixtures/many-records.ts"];
    const child = spawn("sh", args, { cwd: ROOT, env: ENV, stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    let text = "";
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      text += chunk;
      await sleep(1);
    }
    const lines = text.trimEnd().split("\n");
    for (const line of lines) recordOf(line);
    const byProcess = Object.groupBy(lines, (line) => JSON.parse(line).pid as number);
    const counts = Object.values(byProcess).map((own) => own?.length ?? 0);
    assert.equal(counts.length, 2);
    assert.ok(Math.min(...counts) > 1_000, String(counts));
  });
