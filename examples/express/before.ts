/** Serves the catalog by the middleware of Connect. */
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import { createApp, listen } from "./app.ts";
import { contextValues, routes } from "./catalog.ts";

listen(createApp(expressConnectMiddleware({ routes, contextValues })));
