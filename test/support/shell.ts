/** A shell that runs the commands of a document one after the other, beside servers that it started in the background. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { killGroup } from "./process.ts";

const POLL_MS = 20;

export interface CommandResult {
  readonly code: number;
  /** The output during the command, from stdout and stderr, also by programs in the background. */
  readonly output: string;
}

/** One bash: variables and functions last from one command to the next. Commands read nothing from stdin. */
export class Shell {
  readonly #child: ChildProcess;
  readonly #cwd: string;
  readonly #hangMs: number;
  /**
   * The file of all output. A pipe would not work: once one Node process writes to it, it is non-blocking for all
   * programs.
   */
  readonly #file: number;
  readonly #decoder = new TextDecoder();
  readonly #chunk = new Uint8Array(65_536);
  #output = "";
  #position = 0;
  #commands = 0;
  /** True while a command runs. Stays true if the command hangs. */
  #hangs = false;

  /** Starts bash in the folder. The caller must close it. A command may take `hangMs`. */
  constructor(cwd: string, env: NodeJS.ProcessEnv, hangMs: number) {
    this.#cwd = cwd;
    this.#hangMs = hangMs;
    const folder = mkdtempSync(join(tmpdir(), "shell-"));
    this.#file = openSync(join(folder, "output"), "a+");
    rmSync(folder, { recursive: true }); // the open file lasts until it is closed
    const stdio = ["pipe", this.#file, this.#file] as const;
    this.#child = spawn("bash", ["--noprofile", "--norc"], { cwd, env, detached: true, stdio: [...stdio] });
    this.#child.stdin?.on("error", () => {}); // the shell may have ended, which run() reports
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
    if (this.#hangs) throw new Error("not run: a command before it hangs");
    const from = this.read().length;
    const count = ++this.#commands;
    const end = `printf '\\nend of command ${count}: %s\\n' "$?"`;
    // With eval, a syntax error ends the command and not the shell.
    this.#child.stdin?.write(`cd ${quoted(this.#cwd)}; eval ${quoted(command)} </dev/null; ${end}\n`);
    this.#hangs = true;
    const match = await this.waitFor(new RegExp(`\\nend of command ${count}: (\\d+)\\n`), from);
    this.#hangs = false;
    return { code: Number(match[1]), output: this.read().slice(from, from + match.index) };
  }

  /** Starts a command in the background; `$!` is its process. Resolves when it prints what `ready` matches. */
  async start(command: string, ready: RegExp): Promise<void> {
    const from = this.read().length;
    const { output } = await this.run(`${command.replace(/ &$/, "")} &\nserver=$!\necho "process $server"`);
    const process = Number(/^process (\d+)$/m.exec(output)?.[1]);
    await this.#waitWhile(() => isRunning(process), ready, from);
  }

  /** Ends the server that was started most recently, if it runs. Resolves when it has ended. */
  async stop(): Promise<void> {
    await this.run('[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server"; server=; }');
  }

  /** Resolves with the first match in the output from `from` on. Rejects if it does not come, or if the shell ends. */
  waitFor(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return this.#waitWhile(() => this.#child.exitCode === null, pattern, from);
  }

  async #waitWhile(isRunning: () => boolean, pattern: RegExp, from: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + this.#hangMs;
    for (;;) {
      const wasRunning = isRunning();
      const printed = this.read().slice(from);
      const match = pattern.exec(printed);
      if (match !== null) return match;
      const reason = wasRunning
        ? `did not print ${pattern} in ${this.#hangMs} ms`
        : `ended before it printed ${pattern}`;
      if (!wasRunning || performance.now() > deadline) throw new Error(`it ${reason}:\n${withoutEnds(printed)}`);
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

/** Returns the output without the shell's own lines. */
function withoutEnds(output: string): string {
  return output.replaceAll(/\nend of command \d+: \d+\n/g, "");
}

function isRunning(process: number): boolean {
  try {
    return kill(process, 0);
  } catch {
    return false;
  }
}
