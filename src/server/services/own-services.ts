/** The services that the server adds to those of the routes: health and reflection. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import { DescriptorIndex } from "./descriptor-index.ts";
import { registerHealth } from "./health.ts";
import type { HealthStatus } from "./health-status.ts";
import { type Reflection, registerReflection } from "./reflection.ts";

export interface OwnServicesOptions extends Pick<ConnectRouterOptions, "connect" | "grpc" | "grpcWeb"> {
  /** The status that the health service reports. If undefined, the health service is not served. */
  readonly health: HealthStatus | undefined;
  /** The signal that ends the Watch streams of health. Its reason becomes the error of these streams. */
  readonly watchEnd: AbortSignal;
  /** If true, the server's interceptors and request gate also run for calls of the health service. Default: false. */
  readonly interceptHealth?: boolean;
  /** True if reflection is served in both versions, or the only version that is served. */
  readonly reflection: Reflection;
}

/** The services that were registered. */
export interface OwnServices {
  readonly all: readonly DescService[];
  /** The health service, unless the routes have one or it is not served. */
  readonly health: DescService | undefined;
}

/**
 * Registers health and reflection, except services that `router` has already. At the first reflection request, calls `served`, which returns the services to describe.
 */
export function registerOwnServices(
  router: ConnectRouter,
  served: () => readonly DescService[],
  options: OwnServicesOptions,
): OwnServices {
  const { health, watchEnd, connect = true, grpc = true, grpcWeb = true } = options;
  const { interceptHealth = false, reflection } = options;
  const protocols = { connect, grpc, grpcWeb };
  const healthOptions = interceptHealth ? protocols : { ...protocols, interceptors: [], requestGate: undefined };
  // `requestGate: undefined` overrides the server's gate. The cast is necessary, because its type excludes undefined.
  const healthService =
    health && registerHealth(router, health, watchEnd, healthOptions as Partial<ConnectRouterOptions>);
  let index: DescriptorIndex | undefined;
  const described = registerReflection(router, reflection, () => (index ??= new DescriptorIndex(served())));
  return { all: healthService === undefined ? described : [healthService, ...described], health: healthService };
}
