/** Text for the log: an error as text, and an entry in which no peer's or handler's text can forge another entry. */

/** Characters of an entry. A handler's message can be as large as a caller's message, and goes into the log each second. */
const MAX_ENTRY_LENGTH = 16_384;

/**
 * Control characters except tab and line feed (C0, DEL, C1), the line and paragraph separators of Unicode, and the characters
 * that change the direction of text: a terminal or a log viewer acts on them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Returns the entry with its first line as it is and each further line indented by at least four spaces, as a stack's
 * lines are. So every line that begins without a space is the server's own. Control characters become \x1b or \u2028.
 */
export function logEntry(text: string): string {
  const leftOut = text.length - MAX_ENTRY_LENGTH;
  const cut = leftOut > 0 ? `${text.slice(0, MAX_ENTRY_LENGTH)}\n... and ${leftOut} characters more` : text;
  return cut
    .replace(/\r\n/g, "\n")
    .replace(UNSAFE, escapeCharacter)
    .replace(/\n(?! {4})/g, "\n    ");
}

/** Returns the stack of an error, or else its message; of another value its text. Never throws. */
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
