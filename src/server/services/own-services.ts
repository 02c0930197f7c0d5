/** The services that the server adds to those of the routes: health and reflection. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import { DescriptorIndex } from "./descriptor-index.ts";
import { registerHealth } from "./health.ts";
import type { HealthStatus } from "./health-status.ts";
import { registerReflection } from "./reflection.ts";

export interface OwnServicesOptions extends Pick<ConnectRouterOptions, "connect" | "grpc" | "grpcWeb"> {
  readonly health: HealthStatus;
  /** The signal that ends the Watch streams of health. Its reason becomes the error of these streams. */
  readonly watchEnd: AbortSignal;
  /** If true, the server's interceptors and request gate also run for calls of the health service. Default: false. */
  readonly interceptHealth?: boolean;
  /** True if reflection is served. Default: true. */
  readonly reflection?: boolean;
}

/**
 * Registers health and reflection, except services that `router` has already. Returns the services that were registered.
 * At the first reflection request, calls `served`, which returns the services to describe.
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
  // `requestGate: undefined` overrides the server's gate. The cast is necessary, because its type excludes undefined.
  const healthService = registerHealth(router, health, watchEnd, healthOptions as Partial<ConnectRouterOptions>);
  const registered = healthService === undefined ? [] : [healthService];
  if (!reflection) return registered;
  let index: DescriptorIndex | undefined;
  return [...registered, ...registerReflection(router, () => (index ??= new DescriptorIndex(served())))];
}
