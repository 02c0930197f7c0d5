/** The log of the process: the records that the program writes, as text or as JSON. */
import { errorText, safeRecord } from "../server/log/entry.ts";
import { type Log, type LogRecord, recordText } from "../server/log/record.ts";
import { createJsonLog } from "../telemetry/json-log.ts";
import { Stderr } from "./stderr.ts";

export type LogFormat = "text" | "json";

/** A record for `report`. */
export interface Report {
  readonly record: LogRecord;
  readonly more?: readonly string[];
}

/** Created by the first line, because it adds a listener to the process. */
let stderr: Stderr | undefined;

/** Writes records as JSON. Undefined for text. */
let json: Log | undefined;

/**
 * Sets the format of all further records. With "json", exceptions that end the process and warnings of Node are records too.
 * Rejects with TelemetryError if pino is not installed.
 */
export async function setLogFormat(format: LogFormat): Promise<void> {
  if (format === "text" || json !== undefined) return;
  json = await createJsonLog(writeLine);
  process.on("uncaughtException", onUncaughtException);
  const writesText = process.listeners("warning").find(({ name }) => name === "onWarning");
  if (writesText === undefined) return; // --no-warnings or NODE_NO_WARNINGS has left Node's own listener out
  process.off("warning", writesText).on("warning", onWarning);
}

/** Writes a record to stderr. The record must be safe (`safeRecord`). */
export function writeRecord(record: LogRecord): void {
  if (json === undefined) writeLine(`${recordText(record)}\n`);
  else json(record);
}

/**
 * Writes a record about the program itself. As text, goes to stdout, followed by `more` in indented lines, unless its level is
 * a warning or an error. As JSON, goes to stderr without `more`.
 */
export function report(record: LogRecord, more: readonly string[] = []): void {
  const safe = safeRecord(record);
  if (json === undefined && record.level === "info") console.log([recordText(safe), ...more].join("\n  "));
  else writeRecord(safe);
}

/** Reports errors of an event, one record for each message, and exits. */
export function fail(exitCode: number, event: string, ...messages: string[]): never {
  for (const message of messages) report({ level: "error", event, message });
  process.exit(exitCode);
}

function writeLine(line: string): void {
  stderr ??= new Stderr(reportLeftOut);
  stderr.write(line);
}

function reportLeftOut(leftOut: number): void {
  const message = `write to stderr: its reader is too slow; records that were left out: ${leftOut}`;
  writeRecord({ level: "warn", event: "records_left_out", message, leftOut });
}

function onWarning({ name, message, code }: Error & { readonly code?: unknown }): void {
  const fields = typeof code === "string" ? { code } : {};
  writeRecord(safeRecord({ level: "warn", event: "node_warning", message: `${name}: ${message}`, ...fields }));
}

/** Writes the exception as a record, and then exits with 1, as Node does, unless the application handles exceptions. */
function onUncaughtException(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const message = `${origin === "uncaughtException" ? "uncaught exception" : "unhandled rejection"}: ${errorText(error)}`;
  writeRecord(safeRecord({ level: "error", event: "uncaught_exception", message }));
  if (process.listenerCount("uncaughtException") === 1) process.exit(1);
}
