/** The state of the request metadata and the deadline, which last as long as the tab. */
import { useMemo, useState } from "preact/hooks";
import { parseMetadata, type TypedMetadata } from "../call/history.ts";
import { type MetadataProblem, readMetadata, readTimeout } from "../call/metadata.ts";
import type { Header } from "../call/recorder.ts";
import { readSession, writeSession } from "./session.ts";

export interface Metadata {
  readonly typed: TypedMetadata;
  readonly setTyped: (typed: TypedMetadata) => void;
  /** The headers to send. Empty if a row is invalid. */
  readonly headers: readonly Header[];
  /** Undefined if no deadline is set, or it is invalid. */
  readonly timeoutMs: number | undefined;
  /** The problems of rows, by their indexes. */
  readonly problems: ReadonlyMap<number, MetadataProblem>;
  readonly isDeadlineInvalid: boolean;
  /** True if all rows and the deadline are valid. */
  readonly isValid: boolean;
}

const STORAGE_KEY = "metadata";

export function useMetadata(): Metadata {
  const [typed, setTyped] = useState(() => parseMetadata(readSession(STORAGE_KEY)));
  return useMemo(() => {
    const read = readMetadata(typed.rows);
    const timeoutMs = readTimeout(typed.deadline);
    return {
      typed,
      setTyped(changed) {
        writeSession(STORAGE_KEY, JSON.stringify(changed));
        setTyped(changed);
      },
      headers: "headers" in read ? read.headers : [],
      timeoutMs: timeoutMs === "invalid" ? undefined : timeoutMs,
      problems: "problems" in read ? read.problems : new Map(),
      isDeadlineInvalid: timeoutMs === "invalid",
      isValid: "headers" in read && timeoutMs !== "invalid",
    };
  }, [typed]);
}
