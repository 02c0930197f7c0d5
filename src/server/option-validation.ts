/** Reads and validates options when a server or an adapter is created, so that no call meets a wrong one. */
import { FALLBACKS, isFallback } from "./fallback/fallback.ts";
import { isCorsOrigin } from "./http/cors.ts";
import { RENAMES, renamed } from "./limits/renamed-options.ts";
import { type TlsCredentials, validateCredentials } from "./listener/tls-credentials.ts";
import { isTrustedProxy, TRUSTED_PROXY } from "./listener/trusted-proxies.ts";
import type { RoutesOptions, ServerOptions } from "./server-options.ts";

/** A test of an option's value, and the values that pass it as the end of the sentence "... must be". */
export interface OptionRule {
  readonly passes: (value: unknown) => boolean;
  readonly allowed: string;
  /** A test of each element, for an option that is an array. */
  readonly passesEach?: (element: unknown) => boolean;
  /** True if no message may contain the value. */
  readonly isSecret?: boolean;
  /** True if messages do not list the option, because the package does not have it. */
  readonly isInternal?: boolean;
  /** The new name of each value that was renamed. */
  readonly renamedValues?: Readonly<Record<string, string>>;
}

/** A rule for each option in `Options`. */
export type OptionRules<Options> = { readonly [K in keyof Options]-?: OptionRule };

/** The maximum of Connect's options for sizes of messages. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;

const BOOLEAN: OptionRule = { passes: (value) => typeof value === "boolean", allowed: "true or false" };
export const FUNCTION: OptionRule = { passes: (value) => typeof value === "function", allowed: "a function" };
export const STRING: OptionRule = { passes: (value) => typeof value === "string", allowed: "a string" };
const OBJECT: OptionRule = { passes: isObject, allowed: "an object" };
const MESSAGE_BYTES: OptionRule = {
  passes: (value) => isWhole(value, 1, MAX_MESSAGE_BYTES),
  allowed: `a whole number of bytes from 1 to ${MAX_MESSAGE_BYTES}`,
};
const FUNCTIONS = listOf("functions", (each) => typeof each === "function");

/** Matches "", and a path of segments (RFC 3986, 3.3). Clients remove the segments "." and "..". */
const PATH = /^(?:\/(?!\.\.?(?:\/|$))(?:[\w.~!$&'()*+,;=:@-]|%[\da-f]{2})+)*$/i;

/** The options of the routes and their calls. */
export const ROUTES_RULES: OptionRules<RoutesOptions> = {
  routes: FUNCTION,
  requestPathPrefix: {
    passes: (value) => typeof value === "string" && PATH.test(value),
    allowed: 'a path like "/api", which begins with "/" and does not end with one, as it is in a URL',
  },
  corsOrigins: listOf('origins like "https://example.com", or "*"', isCorsOrigin),
  interceptors: FUNCTIONS,
  interceptHealth: BOOLEAN,
  health: {
    passes: (value) => typeof value === "boolean" || isHealthStatus(value),
    allowed: "true, false or a HealthStatus",
  },
  reflection: {
    passes: (value) => typeof value === "boolean" || value === "v1" || value === "v1alpha",
    allowed: 'true, false, "v1" or "v1alpha"',
  },
  fastPath: BOOLEAN,
  limits: OBJECT, // each limit is validated by completeLimits
  log: FUNCTION,
  observer: { passes: isObserver, allowed: "an object with the function end, and begin if it is a function" },
  acceptCompression: listOf("objects with name, compress and decompress", isCompression),
  compressMinBytes: {
    passes: (value) => value === Number.POSITIVE_INFINITY || isWhole(value, 0, Number.MAX_SAFE_INTEGER),
    allowed: "a whole number of bytes, or Infinity for no compression",
  },
  readMaxBytes: MESSAGE_BYTES,
  writeMaxBytes: MESSAGE_BYTES,
  jsonOptions: OBJECT,
  binaryOptions: OBJECT,
  maxTimeoutMs: {
    passes: (value) => value === Number.POSITIVE_INFINITY || isWhole(value, 0, Number.MAX_SAFE_INTEGER),
    allowed: "a whole number of ms, or Infinity",
  },
  shutdownSignal: { passes: (value) => value instanceof AbortSignal, allowed: "an AbortSignal" },
  requireConnectProtocolHeader: BOOLEAN,
  requestGate: FUNCTION,
  grpc: BOOLEAN,
  grpcWeb: BOOLEAN,
  connect: BOOLEAN,
};

/** The options of `createServer`. */
export const SERVER_RULES: OptionRules<ServerOptions> = {
  ...ROUTES_RULES,
  contextValues: FUNCTION,
  fallback: { passes: isFallback, allowed: FALLBACKS },
  allowedHosts: listOf("strings", (each) => typeof each === "string"), // each host is validated by HostCheck
  trustedProxies: listOf(`strings, each ${TRUSTED_PROXY}`, (each) => typeof each === "string" && isTrustedProxy(each)),
  http2: {
    passes: (value) => value === "built-in" || value === "node",
    allowed: '"built-in" or "node"',
    renamedValues: RENAMES.http2,
  },
  homePage: BOOLEAN,
  page: { ...OBJECT, isInternal: true },
  tls: { passes: isObject, allowed: "an object with cert and key in PEM", isSecret: true }, // validateCredentials checks more
};

/**
 * Reads the options of the function `creator`, such as "createServer". Returns a copy, so that no later change of `given` has
 * an effect. Leaves out options that are undefined, since these count as missing. Throws TypeError for an option that is
 * unknown, renamed or invalid, and for options that exclude each other.
 */
export function readOptions<Options extends object>(
  creator: string,
  given: Options,
  rules: Readonly<Record<string, OptionRule>>,
): Options {
  if (!isObject(given)) throw new TypeError(`${creator}: the options must be an object, not ${show(given)}`);
  // Includes the options that an object inherits, such as one from Object.create(defaults).
  for (const name in given) if (!Object.hasOwn(rules, name)) throw unknownOption(creator, name, rules);
  const options: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules)) {
    const value = given[name]; // read once, because it may be a getter
    if (value === undefined) continue;
    const read = checked(`${creator}: ${name}`, Array.isArray(value) ? [...value] : value, rule);
    options[name] = rule === FUNCTION ? (read as () => unknown).bind(given) : read; // it may be a method of `given`
  }
  validateTogether(creator, options);
  return options as Options;
}

/** Returns `value` if it passes the rule. Otherwise throws TypeError. */
function checked(name: string, value: unknown, rule: OptionRule): unknown {
  const { passes, allowed, passesEach, isSecret, renamedValues = {} } = rule;
  if (passes(value)) return value;
  if (isSecret) throw new TypeError(`${name} of type ${typeof value} must be ${allowed}`);
  const newValue = typeof value === "string" ? renamed(renamedValues, value) : undefined;
  if (newValue !== undefined) throw new TypeError(`${name} ${show(value)} was renamed to "${newValue}"`);
  if (passesEach === undefined || !Array.isArray(value))
    throw new TypeError(`${name} ${show(value)} must be ${allowed}`);
  throw new TypeError(`${name} has ${show(value.find((each) => !passesEach(each)))}, and must be ${allowed}`);
}

function validateTogether(creator: string, options: Readonly<Record<string, unknown>>): void {
  const { routes, connect, grpc, grpcWeb, limits, readMaxBytes, page, requestPathPrefix = "", tls } = options;
  if (routes === undefined) throw new TypeError(`${creator}: routes is missing; it registers the services`);
  if (connect === false && grpc === false && grpcWeb === false)
    throw new TypeError(`${creator}: connect, grpc and grpcWeb are all false; at least one protocol must be served`);
  if (readMaxBytes !== undefined && isObject(limits) && limits.messageBytes !== undefined)
    throw new TypeError(`${creator}: readMaxBytes and limits.messageBytes are the same limit; give one of them`);
  if (page !== undefined && requestPathPrefix !== "")
    throw new TypeError(`${creator}: the page does not call services below requestPathPrefix; give one of them`);
  if (tls !== undefined) validateCredentials(`${creator}: tls`, tls as TlsCredentials);
}

function unknownOption(creator: string, name: string, rules: Readonly<Record<string, OptionRule>>): TypeError {
  const newName = renamed(RENAMES.options, name);
  if (newName !== undefined) return new TypeError(`${creator}: ${name} was renamed to ${newName}`);
  const known = Object.keys(rules).filter((each) => !rules[each]?.isInternal);
  return new TypeError(`${creator}: unknown option ${show(name)}; the options are ${known.join(", ")}`);
}

function listOf(allowed: string, passesEach: (element: unknown) => boolean): OptionRule {
  return {
    passes: (value) => Array.isArray(value) && value.every(passesEach),
    allowed: `an array of ${allowed}`,
    passesEach,
  };
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isObserver(value: unknown): boolean {
  return isObject(value) && isFunction(value.end) && (value.begin === undefined || isFunction(value.begin));
}

/** True for a HealthStatus of any copy of this package, such as the CommonJS one. */
function isHealthStatus(value: unknown): boolean {
  return isObject(value) && ["set", "get", "list", "watch", "shutDown"].every((name) => isFunction(value[name]));
}

function isCompression(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.name === "string" &&
    /^[\w!#$%&'*+.^`|~-]+$/.test(value.name) && // a token (RFC 9110, 5.6.2)
    isFunction(value.compress) &&
    isFunction(value.decompress)
  );
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

const MAX_SHOWN_CHARACTERS = 200;

/** Returns a value in one line. Cuts a long one, such as an application with all of its methods. */
function show(value: unknown): string {
  const { inspect } = process.getBuiltinModule("node:util");
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, compact: true, maxStringLength: 100 });
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text;
}
