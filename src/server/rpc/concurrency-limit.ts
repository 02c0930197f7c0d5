/** Load shedding: rejects calls immediately while the maximum number of handlers is running (the limit `callsInFlight`). */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { Budget } from "../limits/budget.ts";
import type { OnLimit } from "../limits/limits.ts";
import type { RequestGate } from "./options.ts";

/** Tells clients to retry after a second: in s for HTTP (RFC 9110, 10.2.3), in ms for gRPC (proposal A6, "pushback"). */
const RETRY = { "retry-after": "1", "grpc-retry-pushback-ms": "1000" };

/** Counts calls and running handlers. Its hooks, a request gate and an interceptor, are options of Connect's router. */
export class ConcurrencyLimit {
  readonly #inFlight: Budget;
  readonly #isExempt: (service: DescService) => boolean;
  readonly #onLimit: OnLimit;
  /** Counts the unary calls of services that are not exempt, including calls whose message has not arrived yet. */
  readonly #unaryCalls: Budget;
  /** The counts of calls of exempt services. */
  readonly #exempt: { readonly unary: Budget; readonly streams: Budget };
  /** The budget that each call in flight is counted in. */
  readonly #budgets = new WeakMap<ContextValues, Budget>();
  /** The request gates of streams that have returned a promise. */
  readonly #gates = new WeakMap<ContextValues, Promise<void>>();

  /**
   * `inFlight` counts streams and the running handlers of unary calls. Three other counts have the same limit: unary
   * calls, unary calls of exempt services, and streams of exempt services.
   */
  constructor(inFlight: Budget, isExempt: (service: DescService) => boolean, onLimit: OnLimit) {
    this.#inFlight = inFlight;
    this.#isExempt = isExempt;
    this.#onLimit = onLimit;
    this.#unaryCalls = new Budget(inFlight.limit);
    this.#exempt = { unary: new Budget(inFlight.limit), streams: new Budget(inFlight.limit) };
  }

  /** Counts a call until `onCallEnded`. Throws `unavailable` if a limit is reached. */
  requestGate(context: HandlerContext): void {
    const { service, method, values } = context;
    const isExempt = this.#isExempt(service);
    const budgets = isExempt ? this.#exempt : { unary: this.#unaryCalls, streams: this.#inFlight };
    const budget = method.methodKind === "unary" ? budgets.unary : budgets.streams;
    this.#throwIfFull(context, budget);
    if (!isExempt) this.#throwIfFull(context, this.#inFlight);
    budget.reserve(1);
    this.#budgets.set(values, budget);
  }

  /**
   * Counts unary handlers while they run. Throws `unavailable` if the limit is reached when the message has arrived.
   */
  readonly interceptor: Interceptor = (next) => async (request) => {
    if (request.stream || this.#isExempt(request.service)) return next(request);
    this.#throwIfFull(request, this.#inFlight);
    this.#inFlight.reserve(1);
    try {
      return await next(request);
    } finally {
      this.#inFlight.release(1);
    }
  };

  /**
   * Returns a gate that runs `gate`, and counts it as a running handler while its promise is pending. The gate of a
   * stream is not counted here, because `requestGate` has counted the stream, which counts until the gate has ended.
   */
  countGate(gate: RequestGate): RequestGate {
    return (context) => {
      const passed = gate(context);
      if (passed === undefined) return passed;
      if (context.method.methodKind !== "unary") {
        this.#gates.set(context.values, passed);
        return passed;
      }
      this.#inFlight.reserve(1);
      return passed.finally(() => this.#inFlight.release(1));
    };
  }

  /** Stops counting a call, when its gate has ended. Does nothing if `requestGate` did not count the call. */
  onCallEnded(values: ContextValues): void {
    const release = (): void => this.#budgets.get(values)?.release(1);
    const gate = this.#gates.get(values);
    if (gate === undefined) release();
    else gate.then(release, release);
  }

  #throwIfFull({ service, method }: Pick<HandlerContext, "service" | "method">, budget: Budget): void {
    if (!budget.isFull) return;
    const message = `call /${service.typeName}/${method.name}: ${budget.used} calls are in flight, which is the maximum`;
    this.#onLimit("callsInFlight", message);
    throw new ConnectError(message, Code.Unavailable, RETRY);
  }
}
