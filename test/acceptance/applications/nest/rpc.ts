/** Joins Nest's providers and Connect's router: a provider with @Rpc(Service) implements that service. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Injectable } from "@nestjs/common";
import { DiscoveryService } from "@nestjs/core";

/** Marks a provider as the implementation of a service. */
export const Rpc = DiscoveryService.createDecorator<DescService>();

@Injectable()
export class RpcRoutes {
  constructor(private readonly discovery: DiscoveryService) {}

  /** Registers each provider with @Rpc. */
  register(router: ConnectRouter): void {
    for (const provider of this.discovery.getProviders({ metadataKey: Rpc.KEY })) {
      const service = this.discovery.getMetadataByDecorator(Rpc, provider);
      if (service !== undefined) router.service(service, provider.instance);
    }
  }
}
