/** Ends calls that are not finished at their deadline, or that the server cuts: all calls, or those of a connection. */
import type { ConnectError } from "@connectrpc/connect";
import type { Exchange, Peer } from "../http/exchange.ts";
import { MAX_TIMER_MS } from "../limits/process-clock.ts";
import { connectionTooOld, deadlineExceeded } from "./call-errors.ts";

/** A call in Deadlines. The calls form a linked list, because a Set would cost more per call. */
export interface DeadlineEntry<T> {
  readonly exchange: Pick<Exchange, "peer">;
  /** Time in ms of `performance.now()`; Infinity for none. */
  readonly deadline: number;
  next: T | undefined;
  previous: T | undefined;
}

/** Cuts the calls of one connection. */
export class ConnectionCuts {
  readonly #listeners: ((peer: Peer) => void)[] = [];

  onCut(listener: (peer: Peer) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends the calls in flight on the connection of this peer, with the error unavailable. */
  cut(peer: Peer): void {
    for (const listener of this.#listeners) listener(peer);
  }
}

/** The events that end calls in flight before their deadline. */
export interface CallCuts {
  /** Aborts at the end of a shutdown. Every call in flight ends with the reason of the signal. */
  readonly cutSignal: AbortSignal;
  /** Cuts the calls of a connection that has reached its maximum age. */
  readonly connectionCuts: ConnectionCuts;
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
   * aborts, removes all calls and calls `endCall` for each, with the reason of `cutSignal`. Does the same for the calls of a
   * connection that is cut, with the error unavailable.
   */
  constructor({ cutSignal, connectionCuts }: CallCuts, endCall: (call: T, error: ConnectError) => void) {
    this.#endCall = endCall;
    cutSignal.addEventListener("abort", () => {
      for (const call of this.#take(() => true)) endCall(call, cutSignal.reason);
    });
    connectionCuts.onCut((peer) => {
      for (const call of this.#take(({ exchange }) => (exchange.peer.connection ?? exchange.peer) === peer))
        endCall(call, connectionTooOld());
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

  /** Removes the calls that `isDue` returns true for, and returns them. */
  #take(isDue: (call: T) => boolean): T[] {
    const taken: T[] = [];
    for (let call = this.#first; call !== undefined; call = call.next) {
      if (isDue(call)) taken.push(call);
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
    const now = performance.now();
    for (const call of this.#take(({ deadline }) => deadline <= now)) this.#endCall(call, deadlineExceeded());
    let earliest = Number.POSITIVE_INFINITY;
    for (let call = this.#first; call !== undefined; call = call.next) {
      earliest = Math.min(earliest, call.deadline);
    }
    this.#nextCheck = Number.POSITIVE_INFINITY;
    if (earliest < Number.POSITIVE_INFINITY) this.#checkAt(earliest);
  }
}
