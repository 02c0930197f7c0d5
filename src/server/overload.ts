/** Refuses calls at once while as many handlers run as may: what waits longer than its callers do helps nobody. */
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { Budget } from "./budget.ts";
import type { OnLimit } from "./limits.ts";

/**
 * When a refused caller may try again: for HTTP (RFC 9110, 10.2.3) in seconds, for gRPC (proposal A6, "pushback") in
 * milliseconds.
 */
const RETRY = { "retry-after": "1", "grpc-retry-pushback-ms": "1000" };

export interface Overload {
  /** Hooks among the options of Connect's router: both refuse; the one counts streams, the other unary handlers. */
  readonly requestGate: (context: HandlerContext) => void;
  readonly interceptor: Interceptor;
}

/** inFlight is how many handlers run, and may. Of the services that are exempt, none is counted or refused. */
export function createOverload(
  inFlight: Budget,
  isExempt: (service: DescService) => boolean,
  onLimit: OnLimit,
): Overload {
  /** Throws where no more handlers may run. */
  function refuseOverload({ service, method }: Pick<HandlerContext, "service" | "method">): void {
    if (!inFlight.spent) return;
    const message = `call /${service.typeName}/${method.name}: ${inFlight.taken} calls are in flight, and no more may be`;
    onLimit("callsInFlight", message);
    throw new ConnectError(message, Code.Unavailable, RETRY);
  }

  return {
    requestGate(context) {
      const { service, method, signal } = context;
      if (isExempt(service)) return;
      refuseOverload(context);
      if (method.methodKind === "unary") return;
      // It was over before it began: its signal will not abort again to give back what is taken here.
      if (signal.aborted) throw signal.reason;
      inFlight.add(1);
      signal.addEventListener("abort", () => inFlight.giveBack(1));
    },
    interceptor: (next) => async (request) => {
      if (request.stream || isExempt(request.service)) return next(request);
      refuseOverload(request); // others may have begun while its message came
      inFlight.add(1);
      try {
        return await next(request);
      } finally {
        inFlight.giveBack(1);
      }
    },
  };
}
