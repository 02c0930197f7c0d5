/** The items of a repeated field and the entries of a map, with buttons to add and to remove. */
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import type { ComponentType } from "preact";
import {
  addEntry,
  addItem,
  membersOf,
  removeEntry,
  removeItem,
  renameEntry,
  setEntry,
  setItem,
} from "../../call/edits.ts";
import type { Json } from "../../call/json.ts";
import { useTexts } from "../language.ts";
import { CONTROLS, type Place, placeOfEntry, placeOfItem, useFocus } from "./context.ts";
import { ProblemOf } from "./head.tsx";

/** Shows the value of an item or of an entry. */
export type Element = ComponentType<{
  readonly field: DescField;
  readonly value: Json;
  readonly place: Place;
  readonly set: (value: Json) => void;
}>;

interface Repeated {
  readonly place: Place;
  /** Sets the list or the map. Undefined unsets the field. */
  readonly set: (value: Json | undefined) => void;
  readonly Element: Element;
}

interface ItemsProps extends Repeated {
  readonly field: DescField & { readonly fieldKind: "list" };
  readonly items: readonly Json[];
}

export function Items({ field, items, place, set, Element }: ItemsProps) {
  const texts = useTexts();
  const { container, add, remove } = useRows(items.length, set);
  return (
    <div ref={container}>
      {items.map((value, index) => {
        const item = placeOfItem(place, index, texts);
        return (
          <div key={index} class="row" data-row={index}>
            <span class="index" aria-hidden="true">
              {index + 1}
            </span>
            <div class="value">
              <Element
                field={field}
                value={value}
                place={item}
                set={(changed) => set(setItem(items, index, changed))}
              />
              <ProblemOf place={item} />
            </div>
            <Remove label={item.label} remove={() => remove(index, removeItem(items, index), items.length === 1)} />
          </div>
        );
      })}
      <Add label={place.label} add={() => add(addItem(items, field))} />
    </div>
  );
}

interface EntriesProps extends Repeated {
  readonly field: DescField & { readonly fieldKind: "map" };
  readonly map: Json | undefined;
}

export function Entries({ field, map = null, place, set, Element }: EntriesProps) {
  const texts = useTexts();
  const members = membersOf(map);
  const { container, add, remove } = useRows(members.length, set);
  return (
    <div ref={container}>
      {members.map(({ key, value }, index) => {
        const entry = placeOfEntry(place, index, key, texts);
        return (
          <div key={index} class="row" data-row={index}>
            <div class="value entry">
              <Key
                type={field.mapKey}
                id={`${entry.id}--key`}
                label={texts.input.keyOf(place.label, index + 1)}
                name={key}
                rename={(changed) => set(renameEntry(map, index, changed))}
              />
              <Element
                field={field}
                value={value}
                place={entry}
                set={(changed) => set(setEntry(map, index, changed))}
              />
              <ProblemOf place={entry} />
            </div>
            <Remove label={entry.label} remove={() => remove(index, removeEntry(map, index), members.length === 1)} />
          </div>
        );
      })}
      <Add label={place.label} add={() => add(addEntry(map, field))} />
    </div>
  );
}

/** Returns edits of rows, and moves the focus: to a new row, and to the row that takes the place of a removed one. */
function useRows(count: number, set: (value: Json | undefined) => void) {
  const { container, focusNext } = useFocus();
  function add(changed: Json): void {
    set(changed);
    const row = `:scope > [data-row="${count}"]`;
    focusNext(`${row} ${CONTROLS}`, `${row} button`);
  }
  function remove(index: number, changed: Json, isLast: boolean): void {
    set(isLast ? undefined : changed);
    const rows = [index, index - 1].map((next) => `:scope > [data-row="${next}"] > button`);
    focusNext(...rows, ":scope > button");
  }
  return { container, add, remove };
}

interface KeyProps {
  readonly type: ScalarType;
  readonly id: string;
  readonly label: string;
  readonly name: string;
  readonly rename: (name: string) => void;
}

function Key({ type, id, label, name, rename }: KeyProps) {
  if (type !== ScalarType.BOOL || (name !== "true" && name !== "false")) {
    return (
      <input
        id={id}
        class="key"
        aria-label={label}
        value={name}
        size={8}
        autoComplete="off"
        spellcheck={false}
        onInput={(event) => rename(event.currentTarget.value)}
      />
    );
  }
  return (
    <select id={id} class="key" aria-label={label} value={name} onChange={(event) => rename(event.currentTarget.value)}>
      <option>true</option>
      <option>false</option>
    </select>
  );
}

function Add({ label, add }: { label: string; add: () => void }) {
  const texts = useTexts();
  return (
    <button type="button" class="add" aria-label={texts.input.addTo(label)} onClick={add}>
      {texts.input.add}
    </button>
  );
}

function Remove({ label, remove }: { label: string; remove: () => void }) {
  const texts = useTexts();
  return (
    <button
      type="button"
      class="remove"
      aria-label={texts.input.removeOf(label)}
      title={texts.input.remove}
      onClick={remove}
    >
      <span aria-hidden="true">×</span>
    </button>
  );
}
