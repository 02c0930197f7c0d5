/** The client of a call as a value of Connect's context, for interceptors and handlers. */
import { type ContextKey, type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Exchange, Peer } from "../http/exchange.ts";

/**
 * The key of the client: `request.contextValues.get(peerKey)` in an interceptor, `context.values.get(peerKey)` in a
 * handler. The value is undefined only if another server runs the routes.
 */
export const peerKey: ContextKey<Peer | undefined> = createContextKey<Peer | undefined>(undefined, {
  description: "the peer of the connection",
});

/** Returns the initial values of a call's context. */
export function contextValuesOf({ peer }: Exchange): ContextValues {
  return createContextValues().set(peerKey, peer);
}
