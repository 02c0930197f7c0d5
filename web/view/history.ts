/** The state of the history: the calls of this tab, which last as long as the tab. */
import { useState } from "preact/hooks";
import { addEntry, type HistoryEntry, parseEntries } from "../call/history.ts";
import { readSession, writeSession } from "./session.ts";

export interface History {
  readonly entries: readonly HistoryEntry[];
  readonly add: (entry: HistoryEntry) => void;
  readonly clear: () => void;
}

const STORAGE_KEY = "calls";

export function useHistory(): History {
  const [entries, setEntries] = useState(() => parseEntries(readSession(STORAGE_KEY)));

  function change(next: (before: HistoryEntry[]) => HistoryEntry[]): void {
    setEntries((before) => {
      const after = next(before);
      writeSession(STORAGE_KEY, JSON.stringify(after));
      return after;
    });
  }

  return { entries, add: (entry) => change((before) => addEntry(before, entry)), clear: () => change(() => []) };
}
