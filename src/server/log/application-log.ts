/** A log that an error of the application's own log function cannot stop. */
import { errorText, safeRecord } from "./entry.ts";
import { type Log, type LogRecord, recordText } from "./record.ts";

/** Writes the text of a record to stderr. */
export function writeText(record: LogRecord): void {
  console.error(recordText(record));
}

/** Returns a log that makes each record safe, and passes it to `write` as `guardLog` does. */
export function createApplicationLog(write: Log = writeText): Log {
  const guarded = guardLog(write, writeText);
  return (record) => guarded(safeRecord(record));
}

/**
 * Returns a log that passes each record to `write`, a function of the application. If `write` throws, or returns a promise
 * that rejects, writes the record to `fallback`, followed by the error. Without this, the error would end the call or the
 * process whose event is logged.
 */
export function guardLog(write: (record: LogRecord) => unknown, fallback: Log): Log {
  return (record) => {
    const onError = (error: unknown): void => {
      fallback(record);
      fallback(safeRecord({ level: "error", event: "log_error", message: `write a log entry: ${errorText(error)}` }));
    };
    try {
      const result = write(record);
      if (result instanceof Promise) result.catch(onError);
    } catch (error) {
      onError(error);
    }
  };
}
