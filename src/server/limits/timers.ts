/** Timeouts that are longer than a timer of Node's can be, which would end at once. */

/** What a timer of Node's can be. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** Of gRPC's units, those of which eight digits can be too long. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** Shortens what the header says of its call's timeout to the 24 days that a timer can be. */
export function shortenTimeouts(header: Headers): void {
  const [, digits, unit = ""] = /^(\d{1,8})([HMS])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  if (Number(digits) * (UNIT_MS[unit] ?? 0) > MAX_TIMER_MS) {
    header.set("grpc-timeout", `${Math.floor(MAX_TIMER_MS / 1_000)}S`);
  }
  const ms = header.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(ms) && Number(ms) > MAX_TIMER_MS) header.set("connect-timeout-ms", String(MAX_TIMER_MS));
}
