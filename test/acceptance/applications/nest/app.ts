/** The Nest application. */
import "reflect-metadata";
import { Module, type Type } from "@nestjs/common";
import { DiscoveryModule, NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import type { RequestHandler } from "express";
import { OrdersController, OrdersRpc, OrdersService, TenantMiddleware } from "./orders";
import { RpcRoutes } from "./rpc";

@Module({
  imports: [DiscoveryModule],
  controllers: [OrdersController],
  providers: [OrdersService, OrdersRpc, RpcRoutes, TenantMiddleware],
})
class AppModule {}

/** Creates and starts the application. `createRpcs` returns the Express middleware of the RPCs. */
export async function start(createRpcs: (routes: RpcRoutes) => RequestHandler): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule as Type, { logger: ["error"] });
  app.enableShutdownHooks(["SIGTERM"]);
  app.enableCors({ origin: "https://orders.example", exposedHeaders: ["x-tenant"] });
  const tenants = app.get(TenantMiddleware);
  app.use(tenants.use.bind(tenants));
  app.use(createRpcs(app.get(RpcRoutes)));
  await app.listen(process.env.PORT ?? 0, "127.0.0.1");
  console.log(`listening on ${await app.getUrl()}`);
}
