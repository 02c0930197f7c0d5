/** Serves the application with the middleware of Connect. */
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import { start } from "./app";

void start((rpcs) => expressConnectMiddleware({ routes: (router) => rpcs.register(router) }));
