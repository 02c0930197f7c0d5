/** Makes log records safe, so that text of peers or handlers cannot forge another record or a field. */
import type { LogRecord } from "./record.ts";

/** Longer texts are cut. A handler's error can quote a whole request, and may be logged every second. */
const MAX_ENTRY_CHARACTERS = 16_384;

/**
 * The characters that terminals and log viewers interpret instead of showing them: control characters except tab and line
 * feed (C0, DEL, C1), Unicode's line and paragraph separators, and characters that change the direction of text.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for them
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Returns the entry with unsafe characters escaped, like \x1b or \u2028. Every line after the first is indented by at least
 * four spaces, as in a stack trace. So each line that begins without a space is the start of an entry.
 */
export function logEntry(text: string): string {
  const leftOut = text.length - MAX_ENTRY_CHARACTERS;
  const cut = leftOut > 0 ? `${text.slice(0, MAX_ENTRY_CHARACTERS)}\n... and ${leftOut} characters more` : text;
  return cut
    .replace(/\r\n/g, "\n")
    .replace(UNSAFE, escapeCharacter)
    .replace(/\n(?! {4})/g, "\n    ");
}

/**
 * Returns the record with unsafe characters escaped. `message` may be a text of several lines, such as one with the stack of
 * an error: the lines after the first become the stack. Leaves out fields that are undefined.
 */
export function safeRecord({ level, event, message, stack, ...fields }: LogRecord): LogRecord {
  const entry = logEntry(stack === undefined ? message : `${message}\n${stack}`);
  const end = entry.indexOf("\n");
  const lines = end === -1 ? { message: entry } : { message: entry.slice(0, end), stack: entry.slice(end + 1) };
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) safe[name] = typeof value === "string" ? safeLine(value) : value;
  return { level, event, ...lines, ...safe };
}

/** Returns the text as one line, with unsafe characters escaped. */
export function safeLine(text: string): string {
  return text.replace(UNSAFE, escapeCharacter).replaceAll("\n", "\\n");
}

/** Returns the stack of an error, or else its message. Returns other values as text. Never throws. */
export function errorText(error: unknown): string {
  try {
    if (!(error instanceof Error)) return String(error);
    const { stack, message } = error as { stack?: unknown; message: unknown };
    return String(stack ?? message);
  } catch {
    return "a value that cannot be shown as text";
  }
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
}
