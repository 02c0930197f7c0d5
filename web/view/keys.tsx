/** Keys that work anywhere in the page. */
import { useEffect, useRef } from "preact/hooks";
import { useTexts } from "./language.ts";

export interface Keys {
  /** Calls the method. */
  readonly call: () => void;
  /** Stops the call in flight; undefined without such a call. */
  readonly stop: (() => void) | undefined;
}

/** Calls at Ctrl+Enter and Cmd+Enter, and stops at Escape, unless an element has used the key for itself. */
export function useKeys(keys: Keys): void {
  const newest = useRef(keys);
  newest.current = keys;
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.isComposing) return;
      const { call, stop } = newest.current;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        if (!event.repeat) call();
      } else if (event.key === "Escape" && stop !== undefined) stop();
      else return;
      event.preventDefault(); // Enter would also submit the form, press the button that has the focus or open a link
    }
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

/** Tells the keys that call and stop, on devices with a pointer, which usually have a keyboard. */
export function KeyHints() {
  const texts = useTexts();
  const isMac = navigator.userAgent.includes("Mac");
  return (
    <span class="keys note">
      <kbd>{isMac ? "⌘+Enter" : "Ctrl+Enter"}</kbd> {texts.keyCalls}, <kbd>Esc</kbd> {texts.keyStops}
    </span>
  );
}

/** True if the key goes to an element in which the user types. */
export function isTyping({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}
