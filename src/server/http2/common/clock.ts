/** The time, as it is handed to connections: they have no clock. */
import { encodeBlock } from "../hpack/encoder.ts";

export class Time {
  /** ms of a clock that only goes forward, whole: streams keep it, and a fraction would cost each of them an object. */
  now = 0;
  /** The same, less the time in which the process did not run (process-clock.ts): timeouts of connections go by it. */
  running = 0;
  /** ms in which the process did not run since so many ms ago. */
  lostWithin: (ms: number) => number = () => 0;
  /** The Date field (RFC 9110, 6.6.1) of this second, as a part of a field block. */
  dateField: Uint8Array = new Uint8Array(0);
  #nextSecond = Number.NEGATIVE_INFINITY;

  /** Sets the time; wall, which is asked once a second, is the time of day in ms since 1970. */
  set(now: number, wall: () => number, running = now): void {
    this.now = now;
    this.running = running;
    if (now < this.#nextSecond) return;
    const date = wall();
    this.#nextSecond = now + 1000 - (date % 1000);
    this.dateField = encodeBlock([["date", new Date(date).toUTCString()]]);
  }
}
