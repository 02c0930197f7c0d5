/** Parses the `traceparent` header field of W3C Trace Context. */

/** The parts of a `traceparent`, by the names of OpenTelemetry. */
export interface TraceParent {
  /** 32 hexadecimal digits in lower case, not all zero. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all zero. */
  readonly spanId: string;
  /** The flags from 0 to 255. The lowest bit is set if the caller has sampled the trace. */
  readonly traceFlags: number;
}

/** The maximum length of a value that is parsed. Versions after 00 may be longer than 55 characters. */
const MAX_LENGTH = 512;

const TRACE_PARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/**
 * Returns the parts of a `traceparent`, or undefined if it is missing or invalid (Trace Context, 3.2). Reads the parts of
 * version 00 from later versions too, as the specification demands.
 */
export function parseTraceParent(value: string | undefined): TraceParent | undefined {
  if (value === undefined || value.length < 55 || value.length > MAX_LENGTH) return undefined;
  const [, version, traceId, spanId, flags, rest] = TRACE_PARENT.exec(value) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && rest !== undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}
