/** The records of the log: their type, and their text. */

/**
 * One record of the log. Strings have no control characters, so that text of clients cannot forge a record or a field.
 * Further fields depend on `event`, such as `limit` and `procedure`. Their values are strings, numbers or booleans.
 */
export interface LogRecord {
  /** The severity of the event. */
  readonly level: "info" | "warn" | "error";
  /** The kind of event: a word from a small set, in snake_case (docs/operations.md lists them). */
  readonly event: string;
  /** The event in one line of text. */
  readonly message: string;
  /** The lines of an error's stack after the first line, which is in `message`. Each line begins with four spaces. */
  readonly stack?: string;
  readonly [field: string]: unknown;
}

/** Writes one record of the log. */
export type Log = (record: LogRecord) => void;

/** Returns the message, followed by the stack if there is one. Every line after the first begins with four spaces. */
export function recordText({ message, stack }: LogRecord): string {
  return stack === undefined ? message : `${message}\n${stack}`;
}
