/** The services that the server adds to those of the routes: health and reflection. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import { DescriptorIndex } from "./descriptor-index.ts";
import { registerHealth } from "./health.ts";
import type { HealthStatus } from "./health-status.ts";
import { registerReflection } from "./reflection.ts";

export interface OwnServicesOptions extends Pick<ConnectRouterOptions, "connect" | "grpc" | "grpcWeb"> {
  readonly health: HealthStatus;
  /** Ends the Watch streams of health with its reason when it aborts. */
  readonly watchEnd: AbortSignal;
  /** True if the server's interceptors and request gate run for health too. Default: false. */
  readonly interceptHealth?: boolean;
  /** True if reflection is served. Default: true. */
  readonly reflection?: boolean;
}

/**
 * Registers health and reflection, except those that `router` has already. Returns the services that were registered.
 * Calls `served` at the first reflection request, for the services that reflection describes.
 */
export function registerOwnServices(
  router: ConnectRouter,
  served: () => readonly DescService[],
  options: OwnServicesOptions,
): DescService[] {
  const { health, watchEnd, connect = true, grpc = true, grpcWeb = true } = options;
  const { interceptHealth = false, reflection = true } = options;
  const protocols = { connect, grpc, grpcWeb };
  const healthOptions = interceptHealth ? protocols : { ...protocols, interceptors: [], requestGate: undefined };
  // The cast allows undefined, which the option types do not: it overrides the server's gate.
  const healthService = registerHealth(router, health, watchEnd, healthOptions as Partial<ConnectRouterOptions>);
  const registered = healthService === undefined ? [] : [healthService];
  if (!reflection) return registered;
  let index: DescriptorIndex | undefined;
  return [...registered, ...registerReflection(router, () => (index ??= new DescriptorIndex(served())))];
}
