/** A log that an error of the application's own log function cannot stop. */
import { errorText, logEntry } from "./entry.ts";

/**
 * Returns a log that passes each entry to `write`, a function of the application. If `write` throws, or returns a promise that
 * rejects, writes the entry to console.error, followed by the error. Without this, the error would end the call or the process
 * whose event is logged.
 */
export function createApplicationLog(write: (entry: string) => unknown): (entry: string) => void {
  return (text) => {
    const entry = logEntry(text);
    const onError = (error: unknown): void =>
      console.error(`${entry}\n${logEntry(`write a log entry: ${errorText(error)}`)}`);
    try {
      const result = write(entry);
      if (result instanceof Promise) result.catch(onError);
    } catch (error) {
      onError(error);
    }
  };
}
