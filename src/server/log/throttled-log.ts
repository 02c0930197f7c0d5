/** A log that peers cannot flood: at most one record a second of each kind. */
import type { Log, LogRecord } from "./record.ts";

const PAUSE_MS = 1_000;

/**
 * Logs a record. Its kind is its event and `key`, which must come from a small set, since the log remembers each kind. An
 * empty key makes one kind of the event.
 */
export type ThrottledLog = (key: string, record: LogRecord) => void;

/** Passes one event a second of each kind, and counts the events that are left out. */
export class Throttle {
  readonly #last = new Map<string, { at: number; leftOut: number }>();

  /**
   * Returns the number of events of this kind that were left out since the last one that passed. Returns undefined if this
   * event is left out too. `now` is a time of `performance.now()`.
   */
  pass(kind: string, now: number): number | undefined {
    const last = this.#last.get(kind);
    if (last === undefined) {
      this.#last.set(kind, { at: now, leftOut: 0 });
      return 0;
    }
    if (now - last.at < PAUSE_MS) {
      last.leftOut++;
      return undefined;
    }
    const { leftOut } = last;
    last.at = now;
    last.leftOut = 0;
    return leftOut;
  }
}

/** Returns a log that writes to `log`. A record tells how many of its kind were left out before it, if any were. */
export function createThrottledLog(log: Log): ThrottledLog {
  const throttle = new Throttle();
  return (key, record) => {
    const leftOut = throttle.pass(`${record.event} ${key}`, performance.now());
    if (leftOut === undefined) return;
    log(leftOut === 0 ? record : withLeftOut(record, leftOut));
  };
}

/** Returns the record with the number of records that were left out before it, at the end of the message's first line. */
export function withLeftOut(record: LogRecord, leftOut: number): LogRecord {
  const message = record.message.replace(/\n|$/, (end) => `, and ${leftOut} times before${end}`);
  return { ...record, message, leftOut };
}
