/** Who calls, as a value of Connect's context: for interceptors and handlers. */
import { type ContextKey, type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { Exchange, Peer } from "../http/exchange.ts";

/**
 * The key of the peer: `request.contextValues.get(peerKey)` in an interceptor, `context.values.get(peerKey)` in a handler.
 * Undefined only where the routes run on another server than this one.
 */
export const peerKey: ContextKey<Peer | undefined> = createContextKey<Peer | undefined>(undefined, {
  description: "the peer of the connection",
});

/** The values that a call's context begins with. */
export function contextValuesOf({ peer }: Exchange): ContextValues {
  return createContextValues().set(peerKey, peer);
}
