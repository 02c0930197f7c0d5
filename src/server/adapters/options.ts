/** The options that all adapters take, and their validation. */
import type { LimitName, Limits } from "../limits/limits.ts";
import { type OptionRule, ROUTES_RULES, readOptions, SERVER_RULES } from "../option-validation.ts";
import type { RoutesOptions } from "../server-options.ts";

/** The limits that only the server below an adapter can enforce, by settings of its own. */
export const SERVER_LIMITS = [
  "connections",
  "connectionsPerAddress",
  "firstBytesMs",
  "handshakeMs",
  "settingsMs",
  "headersMs",
  "headerListBytes",
  "headerBlockBytes",
  "continuationFrames",
  "concurrentStreams",
  "pipelinedRequests",
  "streamWindowBytes",
  "connectionWindowBytes",
  "bufferedBytesPerConnection",
  "sendBufferBytes",
  "controlFramesPerSecond",
  "resetsPerSecond",
  "cancelledHandlersPerConnection",
  "cancelledHandlers",
  "idleMs",
  "maxConnectionAgeMs",
  "maxConnectionAgeGraceMs",
  "keepaliveMs",
  "pingTimeoutMs",
  "gracefulCloseMs",
] as const satisfies readonly LimitName[];

/** The limits that an adapter enforces. */
export type AdapterLimits = Omit<Limits, (typeof SERVER_LIMITS)[number]>;

/** The options of every adapter. Only `routes` is required. Health and reflection are off by default. */
export interface AdapterOptions extends Omit<RoutesOptions, "limits"> {
  /**
   * Limits on the resources that clients may use, each with a default. An adapter can enforce those on requests, messages,
   * calls and responses. All others, such as those on connections, are settings of the server that has the adapter.
   */
  readonly limits?: Partial<AdapterLimits>;
}

/** The rules for the options of every adapter. */
export const ADAPTER_RULES = { ...ROUTES_RULES, contextValues: SERVER_RULES.contextValues };

/**
 * Returns the options of an adapter, which `creator` creates. Throws what `readOptions` throws, and TypeError for a limit
 * that an adapter cannot enforce.
 */
export function readAdapterOptions<Options extends { readonly limits?: object }>(
  creator: string,
  options: Options,
  rules: Readonly<Record<string, OptionRule>>,
): Options {
  const read = readOptions(creator, options, rules);
  for (const name of SERVER_LIMITS) {
    if (read.limits === undefined || !(name in read.limits)) continue;
    throw new TypeError(`${creator}: limits.${name} is not enforced by an adapter, but by the server that has it`);
  }
  return read;
}
