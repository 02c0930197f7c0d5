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
  /** Hooks among the options of Connect's router: the one refuses, and counts streams; the other counts unary handlers. */
  readonly requestGate: (context: HandlerContext) => void;
  readonly interceptor: Interceptor;
}

/** inFlight is how many handlers run, and may. Of the services that are spared, none is counted or refused. */
export function createOverload(
  inFlight: Budget,
  isSpared: (service: DescService) => boolean,
  onLimit: OnLimit,
): Overload {
  return {
    requestGate({ service, method, signal }) {
      if (isSpared(service)) return;
      if (!inFlight.spent) {
        if (method.methodKind === "unary") return;
        inFlight.add(1);
        signal.addEventListener("abort", () => inFlight.giveBack(1));
        return;
      }
      const message = `call /${service.typeName}/${method.name}: ${inFlight.taken} calls are in flight, and no more may be`;
      onLimit("callsInFlight", message);
      throw new ConnectError(message, Code.Unavailable, RETRY);
    },
    interceptor: (next) => async (request) => {
      if (request.stream || isSpared(request.service)) return next(request);
      inFlight.add(1);
      try {
        return await next(request);
      } finally {
        inFlight.giveBack(1);
      }
    },
  };
}
