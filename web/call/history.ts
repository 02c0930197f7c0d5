/** The calls that were made in this tab, as the browser's session storage keeps them. */
import type { MetadataRow } from "./metadata.ts";
import { PROTOCOLS, type Protocol } from "./protocol.ts";

/** The metadata and the deadline of a call, as the user typed them. */
export interface TypedMetadata {
  readonly rows: readonly MetadataRow[];
  /** In milliseconds. */
  readonly deadline: string;
}

/** A call, with all that is needed to make it again. */
export interface HistoryEntry {
  /** Like "acme.eliza.v1.ElizaService/Say". */
  readonly procedure: string;
  /** The input, as it was in the editor. */
  readonly input: string;
  readonly protocol: Protocol;
  readonly metadata: TypedMetadata;
  /** The time of the call, in milliseconds since 1970. */
  readonly time: number;
  /** "ok", or the code of the error. */
  readonly code: string;
  readonly milliseconds: number;
}

const MAX_ENTRIES = 50;
/** Limits the characters of all entries. Browsers store 5 MiB for an origin, in two bytes a character. */
const MAX_CHARACTERS = 500_000;

/** Returns the entries with one more, which becomes the first. Drops the oldest entries, and any that do not fit. */
export function addEntry(entries: readonly HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  const kept: HistoryEntry[] = [];
  let characters = 0;
  for (const each of [entry, ...entries].slice(0, MAX_ENTRIES)) {
    const { length } = JSON.stringify(each);
    if (characters + length > MAX_CHARACTERS) continue;
    characters += length;
    kept.push(each);
  }
  return kept;
}

/** Reads stored entries. Leaves out an entry that is not in this form, such as one from another version of the page. */
export function parseEntries(text: string | null): HistoryEntry[] {
  const stored = parseJson(text);
  return Array.isArray(stored) ? stored.filter(isEntry) : [];
}

/** Reads stored metadata. Returns empty fields if it is not in this form. */
export function parseMetadata(text: string | null): TypedMetadata {
  const stored = parseJson(text);
  return isMetadata(stored) ? stored : { rows: [], deadline: "" };
}

function parseJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is HistoryEntry {
  if (!isObject(value)) return false;
  const { procedure, input, protocol, metadata, time, code, milliseconds } = value;
  return (
    [procedure, input, code].every((text) => typeof text === "string") &&
    [time, milliseconds].every((number) => Number.isFinite(number)) &&
    PROTOCOLS.includes(protocol as Protocol) &&
    isMetadata(metadata)
  );
}

function isMetadata(value: unknown): value is TypedMetadata {
  return isObject(value) && typeof value.deadline === "string" && Array.isArray(value.rows) && value.rows.every(isRow);
}

function isRow(value: unknown): value is MetadataRow {
  return Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
