/** Runs the calls that do not take the fast path, with Connect's universal handlers. */
import type { DescService } from "@bufbuild/protobuf";
import { type Exchange, pathWithoutQuery } from "../http/exchange.ts";
import { checkMethod } from "../http/responses.ts";
import { errorText } from "../log/entry.ts";
import type { Compressions } from "./compression.ts";
import type { ConcurrencyLimit } from "./concurrency-limit.ts";
import { Deadlines } from "./deadlines.ts";
import type { FastPathCall } from "./fast-path/call.ts";
import type { Fallback } from "./fast-path/options.ts";
import type { RpcOptions } from "./options.ts";
import type { Procedure } from "./registrations.ts";
import { bodyInPieces, bufferedBody, knownBody } from "./request-body.ts";
import { respondUnknown } from "./unimplemented.ts";
import { UniversalCall, type UniversalCallOptions } from "./universal-call.ts";

export interface ConnectHandlersOptions extends Pick<RpcOptions, "pathPrefixOf" | "deadlineMs" | "log" | "cutSignal"> {
  /** The procedures by path. */
  readonly procedures: ReadonlyMap<string, Procedure>;
  readonly services: readonly DescService[];
  readonly compressions: Compressions;
  readonly concurrencyLimit: ConcurrencyLimit;
}

export class ConnectHandlers implements Fallback {
  readonly #options: ConnectHandlersOptions;
  readonly #deadlines: Deadlines<UniversalCall>;

  constructor(options: ConnectHandlersOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.cutSignal, (call, error) => call.end(error));
  }

  /** Responds to a request with any path and method. */
  handle(exchange: Exchange, passed?: FastPathCall): void {
    const procedure = this.#options.procedures.get(pathWithoutQuery(exchange.request.path));
    if (procedure === undefined) {
      respondUnknown(exchange, this.#options.services, this.#options.pathPrefixOf);
      return;
    }
    const { allowedMethods, method: desc } = procedure.handler;
    if (!checkMethod(exchange, allowedMethods)) return;
    // A unary body is buffered, because Connect's handlers read a body of many pieces slowly.
    this.#run(exchange, procedure, desc.methodKind === "unary" ? bufferedBody : bodyInPieces, passed);
  }

  handleBuffered(exchange: Exchange, body: Uint8Array, passed?: FastPathCall): void {
    this.#run(exchange, this.#procedureOf(exchange), knownBody(body), passed);
  }

  handleLarge(exchange: Exchange, passed?: FastPathCall): void {
    this.#run(exchange, this.#procedureOf(exchange), bodyInPieces, passed);
  }

  onResponseFailed(exchange: Exchange, error: unknown): void {
    const { requestPath: path } = this.#procedureOf(exchange).handler;
    const message = `respond to ${path}: ${errorText(error)}`;
    this.#options.log(path, { level: "error", event: "response_error", message, path });
    exchange.reset("internal");
  }

  async #run(
    exchange: Exchange,
    procedure: Procedure,
    body: UniversalCallOptions["body"],
    passed: FastPathCall | undefined,
  ): Promise<void> {
    const { compressions, concurrencyLimit, deadlineMs } = this.#options;
    const isUnary = procedure.handler.method.methodKind === "unary";
    const maxMs = isUnary ? deadlineMs : Number.POSITIVE_INFINITY;
    const call = new UniversalCall(exchange, procedure, { maxMs, body, passed });
    this.#deadlines.add(call);
    try {
      await compressions.run(call.memory, () => call.respond());
    } catch (error) {
      this.onResponseFailed(exchange, error);
      call.end(error);
    } finally {
      this.#deadlines.remove(call);
      call.memory.onResponseSent();
      concurrencyLimit.onCallEnded(call.values);
    }
  }

  #procedureOf({ request }: Exchange): Procedure {
    return this.#options.procedures.get(pathWithoutQuery(request.path)) as Procedure;
  }
}
