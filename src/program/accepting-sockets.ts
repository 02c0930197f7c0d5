/** The inherited sockets on which a primary of node:cluster accepts connections for its workers. */
import { setTimeout as sleep } from "node:timers/promises";
import type { InheritedSocket } from "./inherited-sockets.ts";

/** Time for the workers to get the connections that were accepted. A worker that is blocked gets none. */
const MAX_TRANSIT_MS = 1_000;
const INTERVAL_MS = 5;

/** The fields of a listening server that are used. Node does not document its handle. */
interface ListeningServer {
  readonly _handle?: { readonly fd?: number; close(): void };
}

export class AcceptingSockets {
  readonly #handles: { close(): void }[] = [];

  /**
   * Must be called before a worker listens. node:cluster has no function to stop a socket before the workers close theirs, so
   * this takes the handles from a channel of node:diagnostics_channel.
   */
  constructor(sockets: readonly InheritedSocket[]) {
    const { channel } = process.getBuiltinModule("node:diagnostics_channel");
    channel("tracing:net.server.listen:asyncEnd").subscribe((message) => {
      const { _handle: handle } = (message as { readonly server: ListeningServer }).server;
      if (handle !== undefined && sockets.some(({ fd }) => fd === handle.fd)) this.#handles.push(handle);
    });
  }

  /** Stops accepting. Resolves when `isTransferring` returns false: no connection is on its way to a worker. */
  async stop(isTransferring: () => boolean): Promise<void> {
    for (const handle of this.#handles) handle.close();
    const end = performance.now() + MAX_TRANSIT_MS;
    do await sleep(INTERVAL_MS);
    while (isTransferring() && performance.now() < end);
  }
}
