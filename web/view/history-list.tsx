/** Lists the calls of this tab. A click restores a call's method, input, protocol, metadata and deadline. */
import type { HistoryEntry } from "../call/history.ts";
import { PROTOCOL_NAMES } from "../call/protocol.ts";
import { formatMilliseconds } from "./format.ts";
import type { History } from "./history.ts";
import { type Language, useTexts } from "./language.ts";

export interface HistoryListProps {
  readonly history: History;
  readonly restore: (entry: HistoryEntry) => void;
  readonly language: Language;
}

export function HistoryList({ history: { entries, clear }, restore, language }: HistoryListProps) {
  const texts = useTexts();
  if (entries.length === 0) return null;
  return (
    <details class="history">
      <summary>{texts.historyHeading(entries.length)}</summary>
      <p class="note">{texts.historyIntro}</p>
      <ol>
        {entries.map((entry) => (
          <li key={entry.time}>
            <button type="button" onClick={() => restore(entry)}>
              <EntryText entry={entry} language={language} />
            </button>
          </li>
        ))}
      </ol>
      <button type="button" onClick={clear}>
        {texts.clearHistory}
      </button>
    </details>
  );
}

function EntryText({ entry, language }: { entry: HistoryEntry; language: Language }) {
  const { procedure, protocol, input, time, code, milliseconds } = entry;
  return (
    <>
      <time dateTime={new Date(time).toISOString()}>{new Date(time).toLocaleTimeString(language)}</time>{" "}
      <b>{procedure.slice(procedure.lastIndexOf("/") + 1)}</b>{" "}
      <span class={code === "ok" ? "code" : "code error"}>{code}</span>{" "}
      <span class="note">
        {formatMilliseconds(milliseconds)} ms, {PROTOCOL_NAMES[protocol]}
      </span>{" "}
      <code class="input">{input.replaceAll(/\s+/g, " ").slice(0, 200)}</code>
    </>
  );
}
