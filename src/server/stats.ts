/** The figures of a server at one moment, for metrics. */
import type { LimitName } from "./limits/limits.ts";
import type { ConnectionRefusal } from "./listener/pending-connections.ts";

/** The reasons for which a server refuses connections, and requests before they are calls. */
export type Refusal = ConnectionRefusal | "host";

/** The figures of a server at one moment. A plain object of JSON types. */
export interface ServerStats {
  /** Open connections by HTTP version. `pending` counts those that have not chosen one. */
  readonly connections: { readonly "1.1": number; readonly "2.0": number; readonly pending: number };
  /** Calls of handlers that are running, without those of health and reflection. */
  readonly callsInFlight: number;
  /** Number of times that each limit was reached since the server was created. A limit that was not reached is missing. */
  readonly limitHits: { readonly [K in LimitName]?: number };
  /**
   * Number of connections and requests that were refused since the server was created, by the reason. A reason that has
   * not occurred is missing. Refusals because of a limit are in `limitHits`, and refused calls are left to the observer.
   *
   * - "host": a request that names a host that is not allowed
   * - "plain_text", "tls": a connection of plain text to a port of TLS, or of TLS to a plain port
   * - "client_certificate": the client has no certificate, or one that is not trusted
   * - "server_certificate": the client does not trust the certificate of the server
   * - "tls_handshake": any other failed handshake
   * - "proxy_protocol": a malformed header of a trusted proxy
   */
  readonly refusals: { readonly [K in Refusal]?: number };
  /** True from the beginning of `close`. */
  readonly isDraining: boolean;
  /** Time at which the TLS certificate ends, in seconds since 1970; undefined without TLS. */
  readonly certificateEndsAt: number | undefined;
}

/** Counts events by name. */
export class EventCounts<Name extends string> {
  readonly #counts: { [K in Name]?: number } = {};

  add(name: Name): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  /** Returns a new object with the counts. Names without an event are missing. */
  read(): { readonly [K in Name]?: number } {
    return { ...this.#counts };
  }
}
