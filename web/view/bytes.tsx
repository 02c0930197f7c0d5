/** A view of bytes, part by part. A part that is pointed at or tapped is explained, and the value that it encodes is highlighted. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { type Part, type Value, valuesIn, type What } from "../annotate/part.ts";
import { explain } from "../i18n/texts.ts";
import { cut } from "./cut.ts";
import { useTexts } from "./speech.ts";

export interface BytesProps {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly parts: readonly Part[];
  /** Whether the bytes are text throughout, and shown so alone. */
  readonly isText?: boolean;
}

/** How many parts are shown, and how much of each, in characters: a browser that is to lay out many more does nothing else. */
const MAX_SHOWN = 500;
const MAX_TEXT = 1_000;

export function Bytes({ label, bytes, parts: all, isText = false }: BytesProps) {
  const texts = useTexts();
  const id = useId();
  const [active, setActive] = useState<number>();
  const [shownPath, setShownPath] = useState<string>();
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => setActive(undefined), [bytes]);
  const parts = all.slice(0, MAX_SHOWN);
  const left = bytes.length - (parts.at(-1)?.end ?? bytes.length);
  const part = active === undefined ? undefined : parts[active];
  const hasHover = useMemo(() => matchMedia("(hover: hover)").matches, []);
  const lit = part?.path ?? shownPath;

  function onClick({ target }: MouseEvent): void {
    const index = [...(list.current?.children ?? [])].findIndex((each) => each.contains(target as Node));
    if (index < 0) return;
    setActive(index);
    list.current?.focus({ preventScroll: true });
  }

  function onKeyDown(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const step = steps[event.key];
    const ends: Readonly<Record<string, number>> = { Home: 0, End: parts.length - 1 };
    const next = step === undefined ? ends[event.key] : (active ?? (step > 0 ? -1 : parts.length)) + step;
    if (next === undefined) return;
    event.preventDefault();
    const index = Math.min(Math.max(next, 0), parts.length - 1);
    setActive(index);
    list.current?.children[index]?.scrollIntoView({ block: "nearest" });
  }

  return (
    <div class="bytes">
      <div
        ref={list}
        class={isText ? "parts text-only" : "parts"}
        role="listbox"
        tabIndex={0}
        aria-label={label}
        aria-orientation="horizontal"
        aria-activedescendant={active === undefined ? undefined : `${id}-${active}`}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onFocus={() => setActive((index) => index ?? 0)}
        onBlur={() => setActive(undefined)}
        onPointerLeave={(event) => hovers(event) && !list.current?.matches(":focus") && setActive(undefined)}
      >
        {parts.map((each, index) => (
          <div
            key={index}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            class={`part ${groupOf(each.what)}`}
            data-lit={isLit(each.path, lit)}
            onPointerEnter={(event) => hovers(event) && setActive(index)}
          >
            {!isText && <code class="hex">{cut(hex(bytes.subarray(each.start, each.end)), MAX_TEXT)}</code>}
            <span class="meaning">{cut(meaningOf(each, bytes, isText), MAX_TEXT)}</span>
            <span class="unseen">{cut(explain(texts, each), MAX_TEXT)}</span>
          </div>
        ))}
      </div>
      {left > 0 && <p class="note">{texts.more(left)}</p>}
      <p class="explanation">
        {part === undefined ? texts.hint[hasHover ? "pointer" : "touch"] : cut(explain(texts, part), MAX_TEXT)}
      </p>
      <ul class="values" aria-label={texts.values}>
        {valuesIn(parts).map(({ path, value }, index) => (
          <li
            key={`${path} ${index}`}
            data-lit={isLit(path, lit)}
            onPointerEnter={(event) => hovers(event) && setShownPath(path)}
            onPointerLeave={(event) => hovers(event) && setShownPath(undefined)}
            onPointerUp={() => setShownPath(path)}
          >
            {path !== "" && `${path} = `}
            <b>{cut(showValue(value), MAX_TEXT)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** True if the pointer can be over a part without touching it. A finger enters and leaves with each tap, and selects by its click. */
function hovers(event: PointerEvent): boolean {
  return event.pointerType !== "touch";
}

/** True if one is the value of the path, or in it. */
function isLit(path: string | undefined, lit: string | undefined): boolean {
  if (path === undefined || lit === undefined || lit === "") return false;
  return path === lit || path.startsWith(`${lit}.`) || path.startsWith(`${lit}[`);
}

type Group = "name" | "value" | "frame" | "mark" | "malformed";

const GROUPS: { readonly [K in What["kind"]]: Group } = {
  tag: "name",
  length: "frame",
  value: "value",
  "group-end": "name",
  mark: "mark",
  space: "mark",
  key: "name",
  literal: "value",
  flag: "frame",
  "frame-length": "frame",
  compressed: "mark",
  "trailer-name": "name",
  "trailer-mark": "mark",
  "trailer-value": "value",
  procedure: "mark",
  "query-mark": "mark",
  "parameter-name": "name",
  "parameter-value": "value",
  opaque: "mark",
  malformed: "malformed",
};

function groupOf(what: What): Group {
  return GROUPS[what.kind];
}

function meaningOf({ start, end, what }: Part, bytes: Uint8Array, isText: boolean): string {
  switch (what.kind) {
    case "tag":
      return what.field ?? `#${what.number}`;
    case "length":
    case "frame-length":
      return `↦ ${what.bytes}`;
    case "value":
      return showValue(what.value);
    case "group-end":
      return "}";
    case "flag":
      return what.trailers ? "trailers" : "message";
    case "compressed":
      return "…";
    case "malformed":
      return start === end || (!isText && decode(bytes.subarray(start, end)) === undefined)
        ? "?"
        : `? ${textOf(bytes.subarray(start, end))}`;
    default:
      return textOf(bytes.subarray(start, end));
  }
}

/** Returns the text of the bytes; undefined if they are not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text, with control characters, spaces and bytes that are not UTF-8 spelled out. */
function textOf(bytes: Uint8Array): string {
  const text = decode(bytes) ?? Array.from(bytes, byteInText).join("");
  return text.replaceAll(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1)).replaceAll(" ", "·");
}

function byteInText(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`;
}

function showValue(value: Value): string {
  if (value instanceof Uint8Array) return hex(value);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
