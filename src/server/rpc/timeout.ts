/** Parses the timeouts of gRPC and Connect as Connect does, but without a regular expression and without an error. */

const ZERO = 48;

/** Milliseconds per unit of grpc-timeout, by the unit's character code. */
const UNIT_MS: readonly (number | undefined)[] = unitMs({
  H: 60 * 60 * 1000,
  M: 60 * 1000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000001,
});

function unitMs(units: Readonly<Record<string, number>>): (number | undefined)[] {
  const byCode: (number | undefined)[] = new Array(128).fill(undefined);
  for (const [unit, ms] of Object.entries(units)) byCode[unit.charCodeAt(0)] = ms;
  return byCode;
}

/** Returns the milliseconds of a grpc-timeout: at most eight digits and a unit. Returns NaN if the value is invalid. */
export function grpcTimeoutMs(value: string): number {
  const last = value.length - 1;
  return (UNIT_MS[value.charCodeAt(last)] ?? Number.NaN) * integer(value, last, 8);
}

/** Returns the milliseconds of a connect-timeout-ms: at most ten digits. Returns NaN if the value is invalid. */
export function connectTimeoutMs(value: string): number {
  return integer(value, value.length, 10);
}

/** Returns the number that the first `length` characters are. Returns NaN unless they are 1 to `maxDigits` digits. */
function integer(text: string, length: number, maxDigits: number): number {
  if (length < 1 || length > maxDigits) return Number.NaN;
  let number = 0;
  for (let at = 0; at < length; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}
