/** The Express application around the RPCs: middleware before and after them, and a REST API. */
import type { Server } from "node:http";
import { cors as rpc } from "@connectrpc/connect";
import cors from "cors";
import express, { type Application, type ErrorRequestHandler, type RequestHandler } from "express";
import helmet from "helmet";
import { products } from "./catalog.ts";

declare global {
  namespace Express {
    interface Request {
      user?: string;
    }
  }
}

const TOKENS: Readonly<Record<string, string>> = { "Bearer ada-token": "Ada" };

/** Returns an application with the middleware of the RPCs between its own. */
export function createApp(rpcs: RequestHandler): Application {
  const app = express();
  app.use(helmet());
  app.use(
    cors({
      origin: "https://shop.example",
      methods: [...rpc.allowedMethods],
      allowedHeaders: [...rpc.allowedHeaders, "authorization"],
      exposedHeaders: [...rpc.exposedHeaders],
    }),
  );
  app.use((request, response, next) => {
    const { authorization } = request.headers;
    const user = authorization === undefined ? undefined : TOKENS[authorization];
    if (authorization !== undefined && user === undefined) {
      response.status(401).json({ message: "the token is unknown" });
      return;
    }
    if (user !== undefined) request.user = user;
    next();
  });
  app.use(express.json()); // parses the body of RPCs in JSON, too

  app.use(rpcs);

  app.get("/products/:id", ({ params }, response) => {
    const product = products.get(params.id);
    if (product === undefined) throw new RangeError(`product ${params.id} does not exist`);
    response.json(product);
  });
  app.post("/echo", ({ body }, response) => {
    response.json(body);
  });
  app.use(notFound, onError);
  return app;
}

const notFound: RequestHandler = (request, response) => {
  response.status(404).json({ message: `${request.path} does not exist` });
};

const onError: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(error instanceof RangeError ? 404 : 400).json({ message: String(error) });
};

/** Listens, and closes the server when the process gets SIGTERM. */
export function listen(app: Application): void {
  const server: Server = app.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
    const address = server.address();
    if (address !== null && typeof address === "object") console.log(`listening on http://127.0.0.1:${address.port}`);
  });
  process.once("SIGTERM", () => server.close());
}
