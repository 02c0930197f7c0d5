/** The values of Connect's context for interceptors and handlers: the client of the call, and those of the application. */
import { type ContextKey, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { Exchange, Peer } from "../http/exchange.ts";
import { requestHeaders } from "./request-headers.ts";

/**
 * The key of the client: `request.contextValues.get(peerKey)` in an interceptor, `context.values.get(peerKey)` in a
 * handler. The value is undefined only if another server runs the routes.
 */
export const peerKey: ContextKey<Peer | undefined> = Object.freeze({
  // Two copies of this module, such as an ES module and a CommonJS module, have the same key.
  id: Symbol.for("@connect-sum/server: the peer of the connection"),
  defaultValue: undefined,
});

/** The request of a call, from which an application makes context values. The body is not part of it. */
export class CallRequest {
  readonly #exchange: Exchange;
  #headers: Headers | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** "1.1" or "2.0". */
  get httpVersion(): "1.1" | "2.0" {
    return this.#exchange.request.httpVersion;
  }
  /** "https" if the connection has TLS. */
  get scheme(): "http" | "https" {
    return this.#exchange.request.scheme;
  }
  /** POST, or GET for methods without side effects. */
  get method(): string {
    return this.#exchange.request.method;
  }
  /** Host and optional port as the client sent them, not validated; empty if the client sent none. */
  get authority(): string {
    return this.#exchange.request.authority;
  }
  /** Path and query as the client sent them. */
  get path(): string {
    return this.#exchange.request.path;
  }
  /** The header fields, which belong to the caller. */
  get headers(): Headers {
    this.#headers ??= requestHeaders(this.#exchange.request);
    return this.#headers;
  }
  /** The client of the connection. */
  get peer(): Peer {
    return this.#exchange.peer;
  }
}

/** Returns the context values of a call without values of the application. */
export function peerValues({ peer }: Exchange): ContextValues {
  return createContextValues().set(peerKey, peer);
}

/**
 * The context values of one call, which are those that the application returned, and the peer. The application may return
 * the same object for several calls, but each call needs an object of its own.
 */
export class CallValues implements ContextValues {
  readonly #given: ContextValues;
  readonly #peer = createContextValues();

  /** Throws TypeError if `given`, the result of the application's function, is not ContextValues. */
  constructor(given: ContextValues, { peer }: Exchange) {
    if (given instanceof Promise) given.catch(() => {}); // an unhandled rejection would end the process
    if (typeof given?.get !== "function" || typeof given.set !== "function" || typeof given.delete !== "function")
      throw new TypeError(
        `contextValues: the function must return ContextValues, not ${process.getBuiltinModule("node:util").inspect(given, { depth: 0 })}`,
      );
    this.#given = given;
    this.#peer.set(peerKey, peer);
  }

  get<T>(key: ContextKey<T>): T {
    return this.#holder(key).get(key);
  }

  set<T>(key: ContextKey<T>, value: T): this {
    this.#holder(key).set(key, value);
    return this;
  }

  delete(key: ContextKey<unknown>): this {
    this.#holder(key).delete(key);
    return this;
  }

  #holder({ id }: Pick<ContextKey<unknown>, "id">): ContextValues {
    return id === peerKey.id ? this.#peer : this.#given;
  }
}
