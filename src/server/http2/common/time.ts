/** The time that connections use. Connections have no clock of their own, so that tests can set the time. */
import { encodeBlock } from "../hpack/encoder.ts";

export class Time {
  /** Monotonic time in whole ms. Streams store it, and V8 would allocate an object for each fractional number. */
  now = 0;
  /** The same time as `now`, exact to the microsecond. */
  exactNow = 0.5; // a fraction, so that V8 overwrites it in place
  /** The same time as `now`, less the pauses of the process (process-clock.ts). Timeouts of connections use it. */
  running = 0;
  /** Returns the sum of the process's pauses within the last `ms` of `running`, in ms. */
  pausedWithin: (ms: number) => number = () => 0;
  /** The Date field (RFC 9110, 6.6.1) of the current second, encoded as a part of a field block. */
  dateField: Uint8Array = new Uint8Array(0);
  #nextSecond = Number.NEGATIVE_INFINITY;

  /** Sets the time, which may be fractional. `wall` returns the wall-clock time in ms since 1970, and is called at most once a second. */
  set(exactNow: number, wall: () => number, running = Math.floor(exactNow)): void {
    const now = Math.floor(exactNow);
    this.now = now;
    this.exactNow = exactNow;
    this.running = running;
    if (now < this.#nextSecond) return;
    const date = wall();
    this.#nextSecond = now + 1000 - (date % 1000);
    this.dateField = encodeBlock([["date", new Date(date).toUTCString()]]);
  }
}
