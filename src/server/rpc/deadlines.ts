/** Ends calls that are not finished at their deadline, or when the server cuts all calls (`cutSignal`). */
import type { ConnectError } from "@connectrpc/connect";
import { MAX_TIMER_MS } from "../limits/process-clock.ts";
import { deadlineExceeded } from "./call-errors.ts";

/** A call in Deadlines. The calls form a linked list, because a Set would cost more per call. */
export interface DeadlineEntry<T> {
  /** Time in ms of `performance.now()`; Infinity for none. */
  readonly deadline: number;
  next: T | undefined;
  previous: T | undefined;
}

/** A set of calls in flight, with one timer for all of them. */
export class Deadlines<T extends DeadlineEntry<T>> {
  readonly #endCall: (call: T, error: ConnectError) => void;
  #first: T | undefined;
  #timer: NodeJS.Timeout | undefined;
  /**
   * The deadline that the timer is set for; Infinity without a timer. Stays the same if the call with this deadline is
   * removed.
   */
  #nextCheck = Number.POSITIVE_INFINITY;

  /**
   * At the deadline of a call, removes the call and calls `endCall` with the error deadline_exceeded. When `cutSignal`
   * aborts, removes all calls and calls `endCall` for each, with the reason of `cutSignal`.
   */
  constructor(cutSignal: AbortSignal, endCall: (call: T, error: ConnectError) => void) {
    this.#endCall = endCall;
    cutSignal.addEventListener("abort", () => {
      for (const call of this.#take(Number.POSITIVE_INFINITY)) endCall(call, cutSignal.reason);
    });
  }

  add(call: T): void {
    call.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = call;
    this.#first = call;
    if (call.deadline < this.#nextCheck) this.#checkAt(call.deadline);
  }

  /** Removes a call. Does nothing if the call was removed already. */
  remove(call: T): void {
    const { next, previous } = call;
    if (previous !== undefined) previous.next = next;
    else if (this.#first === call) this.#first = next;
    else return;
    if (next !== undefined) next.previous = previous;
    call.next = undefined;
    call.previous = undefined;
  }

  /** Removes the calls with a deadline at or before `time`, and returns them. */
  #take(time: number): T[] {
    const taken: T[] = [];
    for (let call = this.#first; call !== undefined; call = call.next) {
      if (call.deadline <= time) taken.push(call);
    }
    for (const call of taken) this.remove(call);
    return taken;
  }

  #checkAt(time: number): void {
    clearTimeout(this.#timer);
    this.#nextCheck = time;
    const ms = Math.max(1, Math.min(MAX_TIMER_MS, Math.ceil(time - performance.now())));
    this.#timer = setTimeout(() => this.#check(), ms).unref();
  }

  #check(): void {
    for (const call of this.#take(performance.now())) this.#endCall(call, deadlineExceeded());
    let earliest = Number.POSITIVE_INFINITY;
    for (let call = this.#first; call !== undefined; call = call.next) {
      earliest = Math.min(earliest, call.deadline);
    }
    this.#nextCheck = Number.POSITIVE_INFINITY;
    if (earliest < Number.POSITIVE_INFINITY) this.#checkAt(earliest);
  }
}
