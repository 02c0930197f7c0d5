/** Refuses calls at once while as many handlers run as may: what waits longer than its callers do helps nobody. */
import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  type ContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { Budget } from "../limits/budget.ts";
import type { OnLimit } from "../limits/limits.ts";

type RequestGate = NonNullable<ConnectRouterOptions["requestGate"]>;

/**
 * When a refused caller may try again: for HTTP (RFC 9110, 10.2.3) in seconds, for gRPC (proposal A6, "pushback") in
 * milliseconds.
 */
const RETRY = { "retry-after": "1", "grpc-retry-pushback-ms": "1000" };

export interface Overload {
  /** Hooks among the options of Connect's router: both refuse; the one counts calls, the other unary handlers. */
  readonly requestGate: (context: HandlerContext) => void;
  readonly interceptor: Interceptor;
  /** Makes the gate of a registration count as a running handler while it waits for something. */
  readonly countGate: (gate: RequestGate) => RequestGate;
  /** To be called when a call has ended, by its context's values. */
  readonly ended: (values: ContextValues) => void;
}

/**
 * inFlight is how many handlers run, and may. As many unary calls may be under way here, which may wait for their requests
 * still; and of the services that are exempt as many unary calls and as many streams.
 */
export function createOverload(
  inFlight: Budget,
  isExempt: (service: DescService) => boolean,
  onLimit: OnLimit,
): Overload {
  const unary = new Budget(inFlight.limit);
  const exempt = { unary: new Budget(inFlight.limit), streams: new Budget(inFlight.limit) };
  /** By each call that is under way, what it is counted in. */
  const counts = new WeakMap<ContextValues, Budget>();

  /** Throws where no more handlers may run. */
  function refuseOverload({ service, method }: Pick<HandlerContext, "service" | "method">, counted: Budget): void {
    if (!counted.isFull) return;
    const message = `call /${service.typeName}/${method.name}: ${counted.used} calls are in flight, and no more may be`;
    onLimit("callsInFlight", message);
    throw new ConnectError(message, Code.Unavailable, RETRY);
  }

  return {
    requestGate(context) {
      const { service, method, values } = context;
      const budgets = isExempt(service) ? exempt : { unary, streams: inFlight };
      const counted = method.methodKind === "unary" ? budgets.unary : budgets.streams;
      refuseOverload(context, counted);
      if (!isExempt(service)) refuseOverload(context, inFlight);
      counted.reserve(1);
      counts.set(values, counted);
    },
    interceptor: (next) => async (request) => {
      if (request.stream || isExempt(request.service)) return next(request);
      refuseOverload(request, inFlight); // others may have begun while its message came
      inFlight.reserve(1);
      try {
        return await next(request);
      } finally {
        inFlight.release(1);
      }
    },
    countGate: (gate) => (context) => {
      const passed = gate(context);
      // A stream is counted already.
      if (passed === undefined || context.method.methodKind !== "unary") return passed;
      inFlight.reserve(1);
      return passed.finally(() => inFlight.release(1));
    },
    ended(values) {
      counts.get(values)?.release(1);
    },
  };
}
