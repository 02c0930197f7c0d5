/** CatalogService. Both servers use this file as it is. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { Request } from "express";
import { CatalogService, SimilarProductsSchema } from "./gen/catalog/v1/catalog_pb.ts";

interface Product {
  readonly id: string;
  readonly name: string;
  readonly cents: number;
}

const USER = createContextKey<string | undefined>(undefined, { description: "user of the token" });

/** The products by id, which the RPCs and the REST API share. */
export const products = new Map<string, Product>(
  ["apple", "apricot", "banana"].map((id, index) => [id, { id, name: `An ${id}`, cents: 50 + index }]),
);

/** Reads the user that a middleware has set. */
export function contextValues({ user }: Request): ContextValues {
  return createContextValues().set(USER, user);
}

export function routes(router: ConnectRouter): void {
  router.service(CatalogService, {
    getProduct({ id }) {
      const product = products.get(id);
      if (product === undefined) {
        const ids = [...products.keys()].filter((other) => other[0] === id[0]);
        const detail = { desc: SimilarProductsSchema, value: { ids } };
        throw new ConnectError(`product ${id} does not exist`, Code.NotFound, undefined, [detail]);
      }
      return { product };
    },
    putProduct({ product }, { values }) {
      const user = values.get(USER);
      if (user === undefined) throw new ConnectError("a token is missing", Code.Unauthenticated);
      if (product === undefined) throw new ConnectError("the product is missing", Code.InvalidArgument);
      products.set(product.id, product);
      return { user };
    },
    async *listProducts({ pauseMs }, { signal }) {
      for (const product of products.values()) {
        yield { product };
        await pause(pauseMs, signal);
      }
    },
  });
}

/** Waits. Throws the reason of the signal if the call ends before that, such as deadline_exceeded. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
