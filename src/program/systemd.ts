/** Tells systemd the state of this process (sd_notify(3)), and takes the sockets that it passes on. Loaded only under systemd. */
import type { Writable } from "node:stream";
import { MAX_TIMER_MS } from "../server/limits/process-clock.ts";
import { ConfigError } from "./config.ts";
import { type InheritedSocket, takeSockets } from "./inherited-sockets.ts";
import { SEPARATOR, startSender } from "./notify-sender.ts";
import { report } from "./process-log.ts";
import { RestartDelay } from "./restart-delay.ts";
import { type Control, statusOf } from "./signals.ts";

/** Time that the end of the process may take after the delay and the grace time of a shutdown. */
const END_MS = 10_000;

type Env = Record<string, string | undefined>;

/** The parts of systemd that this process has to use. */
export interface Systemd {
  /** The sockets to listen on. Empty if the process has to open its own. */
  readonly sockets: readonly InheritedSocket[];
  /** Undefined if systemd does not ask for messages. */
  readonly notifier: Notifier | undefined;
}

/**
 * Reads the variables of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3), and removes them from `env`, because child
 * processes inherit it. Throws ConfigError if a value is invalid.
 */
export function takeSystemd(env: Env, pid: number): Systemd {
  return { sockets: takeSockets(env, pid), notifier: takeNotifier(env, pid) };
}

function takeNotifier(env: Env, pid: number): Notifier | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched = String(pid) } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  if (!socket) return undefined;
  if (usec !== undefined && !/^[1-9]\d{0,18}$/.test(usec))
    throw new ConfigError([`WATCHDOG_USEC: ${JSON.stringify(usec)} must be a whole number of microseconds from 1 on`]);
  return new Notifier(socket, watched === String(pid) ? Number(usec) / 1_000 : Number.NaN);
}

/**
 * Sends messages in their order. Node has no Unix datagram sockets, so a shell sends each by `systemd-notify`, which is part of
 * systemd. The alternative is a native package, which has to be compiled at each installation. To start `systemd-notify` from
 * this process would block its event loop for 26 ms at a heap of 200 MiB, because Node forks.
 */
export class Notifier {
  readonly #socket: string;
  /** The input of the sender; undefined while none runs. */
  #input: Writable | undefined;
  readonly #delay = new RestartDelay();
  readonly #intervalMs: number;
  #hasFailed = false;
  /** True from READY=1 until the shutdown begins. */
  #isServing = false;
  #status = "";
  /** The last assignments that told a state of this process. */
  #state: readonly string[] = [];
  #watchdog: NodeJS.Timeout | undefined;

  /** `socket` is the value of NOTIFY_SOCKET. `watchdogMs` is NaN without a watchdog. */
  constructor(socket: string, watchdogMs: number) {
    this.#socket = socket;
    this.#intervalMs = Math.max(1, Math.min(watchdogMs / 2, MAX_TIMER_MS));
    this.#startSender();
  }

  /** Starts the sender. Starts another one if it ends, and tells that one the state, because messages may be lost. */
  #startSender(): void {
    const startedAt = performance.now();
    const onFailure = (reason: string): void => this.#reportFailure(reason);
    this.#input = startSender(this.#socket, onFailure, () => {
      this.#input = undefined;
      setTimeout(
        () => {
          this.#startSender();
          this.#send("WATCHDOG=1", ...this.#state);
        },
        this.#delay.next(performance.now() - startedAt),
      ).unref();
    });
  }

  /**
   * Tells systemd that the process serves. From now on, tells the watchdog at each half of its time that the event loop runs.
   * Each time, `check` is called with that half in ms.
   */
  ready(status: string, check: (intervalMs: number) => void = () => {}): void {
    this.#status = status;
    this.#isServing = true;
    this.#tell("READY=1", `STATUS=${status}`);
    if (Number.isNaN(this.#intervalMs)) return;
    this.#watchdog = setInterval(() => {
      this.#send("WATCHDOG=1");
      check(this.#intervalMs);
    }, this.#intervalMs).unref();
  }

  /** Runs a reload. `renew` resolves with false if it has kept the old state, and so does the returned promise. */
  async reload(renew: () => Promise<boolean>): Promise<boolean> {
    if (!this.#isServing) return renew();
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`, "STATUS=reloading");
    const isRenewed = await renew();
    if (this.#isServing) this.#tell("READY=1", `STATUS=${this.#status}${isRenewed ? "" : "; the last reload failed"}`);
    return isRenewed;
  }

  /** Tells systemd that a shutdown has begun, which takes `ms` at most. */
  stopping(ms: number): void {
    this.#isServing = false;
    clearInterval(this.#watchdog);
    this.#tell("STOPPING=1", `EXTEND_TIMEOUT_USEC=${(ms + END_MS) * 1_000}`, "STATUS=draining");
  }

  /** Returns a control that also tells systemd what it is told. `graceMs` is the grace time of a shutdown. */
  control(control: Control, graceMs: number): Control {
    let canRenew = false;
    let delayMs = 0;
    return {
      ...control,
      onDrain: (drain) =>
        control.onDrain((isReplaced) => {
          this.stopping(delayMs + graceMs);
          drain(isReplaced);
        }),
      onRenewTls: (renew) => {
        canRenew = true;
        control.onRenewTls(() => this.reload(renew));
      },
      started: (start) => {
        delayMs = start.delayMs;
        if (!canRenew) this.ignoreReload();
        control.started(start);
        this.ready(statusOf(start));
      },
    };
  }

  /** Responds to the signal of a reload without TLS files. Otherwise it would end the process, and systemd call that a success. */
  ignoreReload(): void {
    process.on("SIGHUP", () => void this.reload(async () => true));
  }

  #tell(...state: string[]): void {
    this.#state = state;
    this.#send(...state);
  }

  #send(...assignments: string[]): void {
    this.#input?.write(`${assignments.join(SEPARATOR)}\n`);
  }

  /** Reports the first failure. Without it, each tick of the watchdog could report one. */
  #reportFailure(reason: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    report({ level: "error", event: "notify_error", message: `tell systemd the state of the process: ${reason}` });
  }
}
