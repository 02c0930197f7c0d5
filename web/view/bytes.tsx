/** Shows bytes part by part. Explains the part that the pointer or the keyboard selects, and highlights its value. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { type Annotation, type Part, type Value, valuesIn } from "../annotate/part.ts";
import { explain } from "../i18n/texts.ts";
import { beginOf, formatHex, formatPart, formatValue, shorten } from "./format.ts";
import { useTexts } from "./language.ts";

export interface BytesProps {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly parts: readonly Part[];
  /** True if the bytes are shown as text alone, without their hexadecimal form. */
  readonly isText?: boolean;
}

/** Limits the parts that are shown: laying out many more would block the browser. */
const MAX_PARTS = 500;
/** Limits the characters that are shown of one part. */
const MAX_CHARACTERS = 1_000;

export function Bytes({ label, bytes, parts: all, isText = false }: BytesProps) {
  const texts = useTexts();
  const [active, setActive] = useState<number>();
  const [shownPath, setShownPath] = useState<string>();
  useEffect(() => setActive(undefined), [bytes]);
  const parts = useMemo(() => all.slice(0, MAX_PARTS).map(withShortValue), [all]);
  const hiddenBytes = bytes.length - (parts.at(-1)?.end ?? bytes.length);
  const part = active === undefined ? undefined : parts[active];
  const hasHover = useMemo(() => matchMedia("(hover: hover)").matches, []);
  const path = part?.path ?? shownPath;

  return (
    <div class="bytes">
      <PartList {...{ label, bytes, parts, isText, active, setActive, path }} />
      {hiddenBytes > 0 && <p class="note">{texts.more(hiddenBytes)}</p>}
      <p class="explanation">
        {part === undefined
          ? texts.hint[hasHover ? "pointer" : "touch"]
          : shorten(explain(texts, part), MAX_CHARACTERS)}
      </p>
      <ValueList parts={parts} path={path} setPath={setShownPath} />
    </div>
  );
}

/** Returns the part with the begin of its value. A value of megabytes would otherwise be formatted at each move. */
function withShortValue(part: Part): Part {
  const { annotation } = part;
  if (!("value" in annotation) || !isLong(annotation.value)) return part;
  return { ...part, annotation: { ...annotation, value: annotation.value.slice(0, MAX_CHARACTERS) } as Annotation };
}

function isLong(value: Value): value is string | Uint8Array {
  return (typeof value === "string" || value instanceof Uint8Array) && value.length > MAX_CHARACTERS;
}

interface PartListProps extends Required<BytesProps> {
  /** The index of the part that is explained. */
  readonly active: number | undefined;
  readonly setActive: (change: number | undefined | ((index: number | undefined) => number | undefined)) => void;
  /** The path of the value that is highlighted. */
  readonly path: string | undefined;
}

/** The parts as a list box, through which arrow keys move. */
function PartList({ label, bytes, parts, isText, active, setActive, path }: PartListProps) {
  const texts = useTexts();
  const id = useId();
  const list = useRef<HTMLDivElement>(null);

  function onClick({ target }: MouseEvent): void {
    const index = [...(list.current?.children ?? [])].findIndex((each) => each.contains(target as Node));
    if (index < 0) return;
    setActive(index);
    list.current?.focus({ preventScroll: true });
  }

  function onKeyDown(event: KeyboardEvent): void {
    const next = nextIndex(event.key, active, parts.length);
    if (next === undefined) return;
    event.preventDefault();
    setActive(next);
    list.current?.children[next]?.scrollIntoView({ block: "nearest" });
  }

  return (
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
      onPointerLeave={(event) => canHover(event) && !list.current?.matches(":focus") && setActive(undefined)}
    >
      {parts.map((each, index) => (
        <div
          key={index}
          id={`${id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === active}
          class={`part ${GROUPS[each.annotation.kind]}`}
          data-lit={isWithin(each.path, path)}
          onPointerEnter={(event) => canHover(event) && setActive(index)}
        >
          {!isText && <code class="hex">{shorten(formatHex(beginOf(bytes, each)), MAX_CHARACTERS)}</code>}
          <span class="meaning">{shorten(formatPart(each, bytes, isText), MAX_CHARACTERS)}</span>
          <span class="unseen">{shorten(explain(texts, each), MAX_CHARACTERS)}</span>
        </div>
      ))}
    </div>
  );
}

/** Returns the index of the part that a key moves to; undefined if the key does not move. */
function nextIndex(key: string, active: number | undefined, count: number): number | undefined {
  const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const ends: Readonly<Record<string, number>> = { Home: 0, End: count - 1 };
  const step = steps[key];
  const next = step === undefined ? ends[key] : (active ?? (step > 0 ? -1 : count)) + step;
  return next === undefined ? undefined : Math.min(Math.max(next, 0), count - 1);
}

interface ValueListProps {
  readonly parts: readonly Part[];
  readonly path: string | undefined;
  readonly setPath: (path: string | undefined) => void;
}

/** The values that the parts encode. */
function ValueList({ parts, path: litPath, setPath }: ValueListProps) {
  const texts = useTexts();
  return (
    <ul class="values" aria-label={texts.values}>
      {valuesIn(parts).map(({ path, value }, index) => (
        <li
          key={`${path} ${index}`}
          data-lit={isWithin(path, litPath)}
          onPointerEnter={(event) => canHover(event) && setPath(path)}
          onPointerLeave={(event) => canHover(event) && setPath(undefined)}
          onPointerUp={() => setPath(path)}
        >
          {path !== "" && `${path} = `}
          <b>{shorten(formatValue(value), MAX_CHARACTERS)}</b>
        </li>
      ))}
    </ul>
  );
}

/** True if the pointer can hover over a part. A touch cannot: it enters and leaves with each tap. */
function canHover(event: PointerEvent): boolean {
  return event.pointerType !== "touch";
}

/**
 * True if `path` is the path of the value `outer`, or of a value inside it. False if `outer` is the outermost value,
 * which contains all others.
 */
function isWithin(path: string | undefined, outer: string | undefined): boolean {
  if (path === undefined || outer === undefined || outer === "") return false;
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

/** The CSS class of each kind of part. */
const GROUPS: { readonly [K in Annotation["kind"]]: "name" | "value" | "frame" | "mark" | "malformed" } = {
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
