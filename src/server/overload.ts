/** Refuses calls at once while as many handlers run as may: what waits longer than its callers do helps nobody. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { Budget } from "./budget.ts";
import type { OnLimit } from "./limits.ts";

/**
 * When a refused caller may try again: for HTTP (RFC 9110, 10.2.3) in seconds, for gRPC (proposal A6, "pushback") in
 * milliseconds.
 */
const RETRY = { "retry-after": "1", "grpc-retry-pushback-ms": "1000" };

export interface Overload {
  /** Hooks among the options of Connect's router: both refuse; the one counts calls, the other unary handlers. */
  readonly requestGate: (context: HandlerContext) => void;
  readonly interceptor: Interceptor;
  /** To be called when a call has ended, by its context's values. */
  readonly ended: (values: ContextValues) => void;
}

/**
 * inFlight is how many handlers run, and may, and callsInFlight how many calls may wait for their requests here, and how
 * many of either kind the services may have that are exempt.
 */
export function createOverload(
  inFlight: Budget,
  callsInFlight: number,
  isExempt: (service: DescService) => boolean,
  onLimit: OnLimit,
): Overload {
  const [waiting, exemptUnary, exemptStreams] = [1, 2, 3].map(() => new Budget(callsInFlight)) as [
    Budget,
    Budget,
    Budget,
  ];
  /** By each call that is under way, what it is counted in. */
  const counts = new WeakMap<ContextValues, Budget>();

  /** Throws where no more handlers may run. */
  function refuseOverload({ service, method }: Pick<HandlerContext, "service" | "method">, counted: Budget): void {
    if (!counted.spent) return;
    const message = `call /${service.typeName}/${method.name}: ${counted.taken} calls are in flight, and no more may be`;
    onLimit("callsInFlight", message);
    throw new ConnectError(message, Code.Unavailable, RETRY);
  }

  return {
    requestGate(context) {
      const { service, method, signal, values } = context;
      const exempt = isExempt(service);
      const unary = method.methodKind === "unary";
      const counted = exempt ? (unary ? exemptUnary : exemptStreams) : unary ? waiting : inFlight;
      refuseOverload(context, counted);
      if (!exempt) refuseOverload(context, inFlight);
      if (signal.aborted) throw signal.reason; // it was over before it began
      counted.add(1);
      counts.set(values, counted);
    },
    interceptor: (next) => async (request) => {
      if (request.stream || isExempt(request.service)) return next(request);
      refuseOverload(request, inFlight); // others may have begun while its message came
      inFlight.add(1);
      try {
        return await next(request);
      } finally {
        inFlight.giveBack(1);
      }
    },
    ended(values) {
      counts.get(values)?.giveBack(1);
    },
  };
}
