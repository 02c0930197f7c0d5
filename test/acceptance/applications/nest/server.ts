/** Serves the application with the middleware of @connect-sum/server. */
import { expressMiddleware } from "@connect-sum/server/node";
import { start } from "./app";

void start((rpcs) => expressMiddleware({ routes: (router) => rpcs.register(router) }));
