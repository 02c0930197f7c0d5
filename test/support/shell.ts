/** A shell that runs the commands of a document one after the other, beside servers that it started in the background. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killGroup } from "./process.ts";

/** A command that takes longer hangs. */
const HANG_MS = 60_000;
const POLL_MS = 20;

export interface CommandResult {
  readonly code: number;
  /** All that was printed meanwhile, to stdout and stderr, also by programs in the background. */
  readonly output: string;
}

/** One bash: variables and functions last from one command to the next. Commands read nothing from stdin. */
export class Shell {
  readonly #child: ChildProcess;
  readonly #cwd: string;
  /** A file for all output. A pipe would become non-blocking for every program as soon as one Node writes to it. */
  readonly #file: number;
  readonly #decoder = new TextDecoder();
  readonly #chunk = new Uint8Array(65_536);
  #output = "";
  #position = 0;
  #commands = 0;

  /** Starts bash in the folder. The caller must close it. */
  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    this.#cwd = cwd;
    const folder = mkdtempSync(join(tmpdir(), "shell-"));
    this.#file = openSync(join(folder, "output"), "a+");
    rmSync(folder, { recursive: true }); // the open file lasts until it is closed
    const stdio = ["pipe", this.#file, this.#file] as const;
    this.#child = spawn("bash", ["--noprofile", "--norc"], { cwd, env, detached: true, stdio: [...stdio] });
    this.#child.stdin?.on("error", () => {}); // after the shell's end, which run reports
  }

  /** Returns all that was printed so far. */
  read(): string {
    for (;;) {
      const bytes = readSync(this.#file, this.#chunk, 0, this.#chunk.length, this.#position);
      if (bytes === 0) return this.#output;
      this.#position += bytes;
      this.#output += this.#decoder.decode(this.#chunk.subarray(0, bytes), { stream: true });
    }
  }

  /** Runs a command in the folder. Resolves when it ends. Rejects if it hangs, or if it ends the shell. */
  async run(command: string): Promise<CommandResult> {
    const from = this.read().length;
    const count = ++this.#commands;
    const end = `printf '\\nend of command ${count}: %s\\n' "$?"`;
    // With eval, a syntax error ends the command and not the shell.
    this.#child.stdin?.write(`cd ${quoted(this.#cwd)}; eval ${quoted(command)} </dev/null; ${end}\n`);
    const match = await this.waitFor(new RegExp(`\\nend of command ${count}: (\\d+)\\n`), from);
    return { code: Number(match[1]), output: this.read().slice(from, from + match.index) };
  }

  /** Starts a command in the background; `$!` is its process. Resolves when it prints what `ready` matches. */
  async start(command: string, ready: RegExp): Promise<void> {
    const from = this.read().length;
    await this.run(`${command} &\nserver=$!`);
    while (!ready.test(this.read().slice(from))) {
      const { code } = await this.run('kill -0 "$server" 2>/dev/null');
      const printed = this.read().slice(from);
      if (code !== 0 && !ready.test(printed)) throw new Error(`it ended before ${ready}:\n${printed}`);
      await sleep(POLL_MS);
    }
  }

  /** Ends the command that was started last, if it runs. Resolves when it has ended. */
  async stop(): Promise<void> {
    await this.run('[ -z "$server" ] || { kill "$server"; wait "$server"; server=; }');
  }

  /** Resolves with the first match in the output from `from` on. Rejects if it does not come, or if the shell ends. */
  async waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const deadline = performance.now() + HANG_MS;
    for (;;) {
      const printed = this.read().slice(from);
      const match = pattern.exec(printed);
      if (match !== null) return match;
      if (this.#child.exitCode !== null) throw new Error(`the shell ended. It printed:\n${printed}`);
      if (performance.now() > deadline) throw new Error(`nothing matched ${pattern} for ${HANG_MS} ms:\n${printed}`);
      await sleep(POLL_MS);
    }
  }

  /** Kills the shell and all that it started. */
  async close(): Promise<void> {
    const exit = this.#child.exitCode === null ? once(this.#child, "exit") : undefined;
    killGroup(this.#child, "SIGKILL");
    await exit;
    closeSync(this.#file);
  }
}

/** Returns the text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
