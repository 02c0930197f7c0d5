/** Writes log records as lines of JSON, by pino. */
import type { Log } from "../server/log/record.ts";
import { importOptional } from "./telemetry-error.ts";

/**
 * Returns a log that passes each record to `write` as one object of JSON and a line feed. The object has the fields of the
 * record, `time` in ISO 8601 and `pid`. Rejects with TelemetryError if pino is not installed.
 */
export async function createJsonLog(write: (line: string) => void): Promise<Log> {
  const { pino } = await importOptional("--log-format", "pino", () => import("pino"));
  const options = {
    base: { pid: process.pid },
    messageKey: "message",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
  };
  const logger = pino(options, { write });
  return ({ level, message, ...fields }) => logger[level](fields, message);
}
