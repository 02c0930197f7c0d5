/** The state that all controls of an input share, and the place of each control. */
import type { DescField, DescOneof } from "@bufbuild/protobuf";
import { createContext, type RefObject } from "preact";
import { useContext, useLayoutEffect, useRef } from "preact/hooks";
import type { FoundMember } from "../../call/edits.ts";
import type { Json, Path } from "../../call/json.ts";
import { nameOf, type Problems } from "../../call/read-draft.ts";
import type { Texts } from "../../i18n/texts.ts";

export interface InputState {
  /** Changes the value at the path. */
  readonly edit: (path: Path, change: (value: Json) => Json) => void;
  readonly problems: Problems;
  /** The comments of the contract by the full names of fields. */
  readonly comments: ReadonlyMap<string, string>;
}

export const InputContext = createContext<InputState>({ edit: () => {}, problems: new Map(), comments: new Map() });

export function useInput(): InputState {
  return useContext(InputContext);
}

export interface Place {
  /** The name of the value in the problems, like `stops[1].city`. */
  readonly name: string;
  /** The position of the value in the JSON. Of a field that is not set, the position of its message. */
  readonly path: Path;
  /** The identifier of the element. Identifiers that are derived from it have "--", which none of them can contain. */
  readonly id: string;
  /** The name for screen readers, like "stops, item 2: city". */
  readonly label: string;
}

export const ROOT: Place = { name: "", path: [], id: "field", label: "" };

export function placeOfField({ name, path, id, label }: Place, field: DescField, member?: FoundMember): Place {
  return {
    name: nameOf.field(name, member?.key ?? field.jsonName),
    path: member === undefined ? path : [...path, member.index],
    id: `${id}-${field.localName}`,
    label: label === "" ? field.jsonName : `${label}: ${field.jsonName}`,
  };
}

export function placeOfOneof({ name, path, id, label }: Place, oneof: DescOneof): Place {
  return {
    name: nameOf.field(name, oneof.name),
    path,
    id: `${id}-${oneof.localName}--choice`,
    label: label === "" ? oneof.name : `${label}: ${oneof.name}`,
  };
}

export function placeOfItem({ name, path, id, label }: Place, index: number, texts: Texts): Place {
  return {
    name: nameOf.item(name, index),
    path: [...path, index],
    id: `${id}-${index}`,
    label: texts.input.item(label, index + 1),
  };
}

export function placeOfEntry({ name, path, id, label }: Place, index: number, key: string, texts: Texts): Place {
  return {
    name: nameOf.entry(name, key),
    path: [...path, index],
    id: `${id}-${index}`,
    label: texts.input.entry(label, key === "" ? String(index + 1) : key),
  };
}

/** Returns the comment of the contract on the field or oneof. */
export function commentOf(
  comments: InputState["comments"],
  { parent, name }: DescField | DescOneof,
): string | undefined {
  return comments.get(`${parent.typeName}.${name}`);
}

export interface Focus {
  /** The container in which the selectors search. */
  readonly container: RefObject<HTMLDivElement | null>;
  /** Moves the focus after the next rendering, to an element that the first possible selector finds. */
  readonly focusNext: (...selectors: readonly string[]) => void;
}

export function useFocus(): Focus {
  const container = useRef<HTMLDivElement>(null);
  const wanted = useRef<string[]>([]);
  useLayoutEffect(() => {
    for (const selector of wanted.current.splice(0)) {
      const found = container.current?.querySelector<HTMLElement>(selector);
      if (!found) continue;
      found.focus();
      return;
    }
  });
  function focusNext(...selectors: readonly string[]): void {
    wanted.current = [...selectors];
  }
  return { container, focusNext };
}

/** The attributes that controls of all kinds share. */
export interface Attributes {
  readonly id: string;
  readonly "aria-label": string | undefined;
  readonly "aria-invalid": boolean;
  readonly "aria-describedby": string | undefined;
}

/** Selects everything that takes text or a choice. */
export const CONTROLS = ":is(input, select, textarea)";
