/** Texts in the browser's session storage, which lasts as long as the tab. Some browsers and users forbid it. */

/** Returns null if nothing is stored, or the browser forbids storage. */
export function readSession(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Does nothing if the browser forbids storage, or its storage is full. */
export function writeSession(key: string, text: string): void {
  try {
    sessionStorage.setItem(key, text);
  } catch {
    // the text then lasts until the page is closed or loaded again
  }
}
