/** Timeouts of calls that exceed the longest timer of Node. Such a timer would fire at once. */
import { MAX_TIMER_MS } from "../limits/process-clock.ts";

/** The units of grpc-timeout in which eight digits can exceed MAX_TIMER_MS. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** Lowers the timeout in a call's headers, of gRPC or Connect, to MAX_TIMER_MS (24 days). */
export function clampTimeouts(header: Headers): void {
  const [, digits, unit = ""] = /^(\d{1,8})([HMS])$/.exec(header.get("grpc-timeout") ?? "") ?? [];
  if (Number(digits) * (UNIT_MS[unit] ?? 0) > MAX_TIMER_MS) {
    header.set("grpc-timeout", `${Math.floor(MAX_TIMER_MS / 1_000)}S`);
  }
  const ms = header.get("connect-timeout-ms") ?? "";
  if (/^\d{1,10}$/.test(ms) && Number(ms) > MAX_TIMER_MS) header.set("connect-timeout-ms", String(MAX_TIMER_MS));
}
