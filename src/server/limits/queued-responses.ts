/** Limits the queued response bytes, which clients have not read yet, of each connection and of all connections together. */
import type { LimitName, Limits, OnLimit } from "./limits.ts";

/** A connection with queued response bytes. */
export interface ResponseHolder {
  readonly queuedBytes: number;
  /** Resets the largest queued response or closes the connection. Lowers `queuedBytes` before returning. */
  shed(): void;
}

export class QueuedResponses {
  readonly #limits: Limits;
  readonly #onLimit: OnLimit;
  /** The connections that have queued bytes. */
  readonly #holders = new Set<ResponseHolder>();
  /** The queued bytes of all connections. */
  bytes = 0;

  constructor(limits: Limits, onLimit: OnLimit) {
    this.#limits = limits;
    this.#onLimit = onLimit;
  }

  /**
   * Records that the queued bytes of `holder` have changed by `change`, which may be negative. If
   * queuedBytesPerConnection is then exceeded, sheds responses of `holder`. If queuedBytes is exceeded, sheds responses
   * of the connection with the most queued bytes.
   */
  changed(holder: ResponseHolder, change: number): void {
    this.bytes += change;
    if (holder.queuedBytes === 0) this.#holders.delete(holder);
    else this.#holders.add(holder);
    if (change > 0) this.#enforce(holder);
  }

  #enforce(holder: ResponseHolder): void {
    const { queuedBytesPerConnection, queuedBytes } = this.#limits;
    while (holder.queuedBytes > queuedBytesPerConnection) this.#shed(holder, "queuedBytesPerConnection");
    while (this.bytes > queuedBytes) this.#shed(this.#largest(), "queuedBytes");
  }

  #shed(holder: ResponseHolder, limit: LimitName): void {
    const whose = limit === "queuedBytes" ? "" : " of a connection";
    this.#onLimit(limit, `queued responses${whose} exceed ${this.#limits[limit]} bytes`);
    const before = holder.queuedBytes;
    holder.shed();
    if (holder.queuedBytes >= before) throw new Error(`shed a response of ${before} bytes: nothing was shed`);
  }

  /** Returns the connection with the most queued bytes. At least one connection must have queued bytes. */
  #largest(): ResponseHolder {
    let largest: ResponseHolder | undefined;
    for (const holder of this.#holders) {
      if (largest === undefined || holder.queuedBytes > largest.queuedBytes) largest = holder;
    }
    return largest as ResponseHolder;
  }
}
