/** Serves the calls among the requests that a server of Node's or a framework has received. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { ContextValues } from "@connectrpc/connect";
import type { Exchange } from "../http/exchange.ts";
import { Budget } from "../limits/budget.ts";
import { QueuedResponses } from "../limits/queued-responses.ts";
import { NodeRequestHeads } from "../node-http/request-head.ts";
import { ServedRoutes } from "../served-routes.ts";
import { AdapterConnections } from "./connections.ts";
import { AdapterExchange, type ReceivedRequest } from "./exchange.ts";
import type { AdapterOptions } from "./options.ts";
import { ReadBodyExchange, readBodyOf } from "./read-body.ts";

/** A request of node:http, node:https or node:http2. */
export type NodeServerRequest = IncomingMessage | Http2ServerRequest;
/** A response of node:http, node:https or node:http2. */
export type NodeServerResponse = ServerResponse | Http2ServerResponse;

/** The routes of an adapter with their limits, and the connections that have made calls. */
export class Adapter {
  readonly #routes: ServedRoutes;
  readonly #connections: AdapterConnections;
  readonly #heads = new NodeRequestHeads();

  /**
   * Health and reflection are off by default, because the adapters of Connect add no services. `contextValues` gets
   * `ReceivedRequest.source`. Throws what `createServer` throws.
   */
  constructor(options: AdapterOptions, contextValues: ((source: never) => ContextValues) | undefined) {
    const values = contextValues && (({ source }: Exchange) => contextValues(source as never));
    this.#routes = new ServedRoutes({ health: false, reflection: false, ...options }, values);
    const { handle, limits, onLimit, endExchanges } = this.#routes;
    this.#connections = new AdapterConnections({
      handler: handle,
      limits,
      buffered: new Budget(limits.bufferedBytes),
      queued: new QueuedResponses(limits, onLimit),
      onLimit,
      endExchanges,
    });
  }

  /** The paths of the procedures. */
  get paths(): Iterable<string> {
    return this.#routes.paths;
  }

  /** True if a procedure is served at a path, which may have a query. */
  isProcedure(path: string): boolean {
    return this.#routes.isProcedure(path);
  }

  /**
   * Responds to a request: to a call, or with unimplemented if its path is not that of a procedure. Does nothing if the
   * client has disconnected.
   */
  handle(received: ReceivedRequest): void {
    const { req, res, path } = received;
    if (isClosed(req, res)) return;
    const connection = this.#connections.of(req, res);
    const head = this.#heads.of(req, connection.isSecure, path);
    const body = readBodyOf(received);
    this.#routes.handle(
      body === undefined
        ? new AdapterExchange(head, received, connection)
        : new ReadBodyExchange(head, received, connection, body),
    );
  }
}

function isClosed(req: IncomingMessage, res: ServerResponse): boolean {
  const { stream } = res as { stream?: Http2ServerResponse["stream"] };
  return stream === undefined ? res.destroyed || req.socket.destroyed : stream.destroyed;
}
