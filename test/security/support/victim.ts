/** Controls the process of the attacked servers. */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Order, Reply, StartOptions } from "./server-process.ts";

export class Victim {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: never) => void>();
  readonly #failed: Promise<never>;
  #orders = 0;

  /** `command` starts Node with its own arguments. */
  constructor([execPath, execArgv]: readonly [string, string[]] = [process.execPath, ["--expose-gc"]]) {
    this.#child = fork(join(import.meta.dirname, "server-process.ts"), [], {
      execPath,
      execArgv,
      serialization: "advanced", // for Infinity
    });
    this.#child.on("message", ({ number, reply }: { number: number; reply: never }) => {
      this.#waiting.get(number)?.(reply);
      this.#waiting.delete(number);
    });
    this.#failed = new Promise((_, reject) => {
      this.#child.on("exit", (code, signal) => reject(new Error(`the server's process ended with ${code ?? signal}`)));
    });
    this.#failed.catch(() => {});
  }

  /** Sends an order, and resolves with its reply. Rejects if the process ends before. */
  tell<O extends Order>(order: O): Promise<Reply[O["do"]]> {
    const number = this.#orders++;
    const reply = new Promise<Reply[O["do"]]>((resolve) => this.#waiting.set(number, resolve));
    this.#child.send({ number, order }, () => {});
    return Promise.race([reply, this.#failed]);
  }

  /** Starts a server, calls `use` with its URL, and stops it. Returns the result of `use` and the log of the server. */
  async serving<T>(
    options: StartOptions,
    use: (url: string) => Promise<T>,
  ): Promise<{ readonly result: T; readonly log: readonly string[] }> {
    const { id, port } = await this.tell({ do: "start", options });
    let stopped = false;
    try {
      const result = await use(`http${options.tls === undefined ? "" : "s"}://127.0.0.1:${port}`);
      stopped = true;
      const log = await this.tell({ do: "stop", id });
      for (const entry of log) assert.doesNotMatch(entry, /\n +at /);
      return { result, log };
    } finally {
      if (!stopped) await this.tell({ do: "stop", id });
    }
  }

  /** Ends the process. Resolves when it has exited. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
