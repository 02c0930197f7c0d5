/** A caller's text in a message: quoted, and cut if it is long. */

/** Characters of the text that are shown. */
const MAX_SHOWN = 100;

/** Returns the text in double quotes with escapes as in JSON; a longer one ends in "..." after 100 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
}
