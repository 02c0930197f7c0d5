/** Bounds the response bytes that wait for clients to take them, per connection and over the server. */
import type { LimitName, Limits, OnLimit } from "./limits.ts";

/** A connection that holds response bytes for its client. */
export interface ResponseHolder {
  readonly queuedBytes: number;
  /** Drops the response that holds most of these bytes, or the connection: `queuedBytes` is less when it returns. */
  shed(): void;
}

export class QueuedResponses {
  readonly #limits: Limits;
  readonly #onLimit: OnLimit;
  /** The connections that hold any. */
  readonly #holders = new Set<ResponseHolder>();
  /** The bytes of all of them. */
  bytes = 0;

  constructor(limits: Limits, onLimit: OnLimit) {
    this.#limits = limits;
    this.#onLimit = onLimit;
  }

  /**
   * Takes note that `holder` holds `change` bytes more than before, or fewer if it is negative. Sheds the largest
   * responses while a limit is exceeded, perhaps one of `holder` itself.
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
    this.#onLimit(limit, `responses${whose} that wait for clients exceed ${this.#limits[limit]} bytes`);
    const before = holder.queuedBytes;
    holder.shed();
    if (holder.queuedBytes >= before) throw new Error(`shed a response of ${before} bytes: nothing was shed`);
  }

  /** Returns the connection that holds most. Only called while the limit is exceeded, so there is one. */
  #largest(): ResponseHolder {
    let largest: ResponseHolder | undefined;
    for (const holder of this.#holders) {
      if (largest === undefined || holder.queuedBytes > largest.queuedBytes) largest = holder;
    }
    return largest as ResponseHolder;
  }
}
