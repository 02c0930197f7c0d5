/** Serves the catalog by the middleware of @connect-sum/server. */
import { expressMiddleware } from "@connect-sum/server/node";
import { createApp, listen } from "./app.ts";
import { contextValues, routes } from "./catalog.ts";

listen(createApp(expressMiddleware({ routes, contextValues })));
