/** Quotes a caller's text in a message, and truncates long text. */

const MAX_SHOWN_CHARACTERS = 100;

/** Returns the text in double quotes, escaped as in JSON. Text of more than 100 characters is cut and ends in "...". */
export function quote(text: string): string {
  const shown = text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text;
  return JSON.stringify(shown);
}
