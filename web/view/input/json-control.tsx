/** A small editor for a value that can be any JSON. */
import { useState } from "preact/hooks";
import { formatJson, type Json, JsonError, parseJson } from "../../call/json.ts";
import type { Attributes } from "./context.ts";

interface JsonControlProps {
  readonly value: Json | undefined;
  readonly set: (value: Json | undefined) => void;
  readonly canUnset: boolean;
  readonly attributes: Attributes;
}

/** Edits the value as JSON. A text that is not JSON becomes a string, so that it survives. */
export function JsonControl({ value, set, canUnset, attributes }: JsonControlProps) {
  const [typed, setTyped] = useState("");
  const shown = value === undefined ? "" : writeText(value);
  // The typed text is kept while it means the value, so that its spaces and the cursor stay.
  const text = value !== undefined && writeText(readText(typed)) === shown ? typed : shown;
  return (
    <textarea
      {...attributes}
      value={text}
      rows={Math.min(Math.max(text.split("\n").length, 2), MAX_ROWS)}
      spellcheck={false}
      onInput={({ currentTarget: { value } }) => {
        setTyped(value);
        set(value.trim() === "" && canUnset ? undefined : readText(value));
      }}
    />
  );
}

const MAX_ROWS = 10;

function readText(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return text;
    throw error;
  }
}

/** Returns the text that `readText` reads as the value. */
function writeText(value: Json): string {
  const isPlain = typeof value === "string" && readText(value) === value && !value.includes("\r"); // a textarea drops it
  return isPlain ? value : formatJson(value);
}
