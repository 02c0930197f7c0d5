/** The control of one value: of a field, of an item of its list, or of an entry of its map. */
import { type DescEnum, type DescField, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type Json, JsonNumber, JsonObject } from "../../call/json.ts";
import { isNumeric, numberOfText } from "../../call/scalars.ts";
import { useTexts } from "../language.ts";
import { type Attributes, type Place, useInput } from "./context.ts";
import { JsonControl } from "./json-control.tsx";

/** The type of a value. It has one of the three. */
export type ValueType = Pick<DescField, "scalar" | "enum" | "message">;

export interface ControlProps {
  readonly type: ValueType;
  /** Undefined if the field is not set. */
  readonly value: Json | undefined;
  readonly place: Place;
  /** Sets the value. Undefined unsets it, only if `canUnset` is true. */
  readonly set: (value: Json | undefined) => void;
  readonly canUnset: boolean;
  /** True if a field that is not set has its default value, which is zero or empty. */
  readonly isImplicit?: boolean;
  /** True if a `label` element has the name of the control. */
  readonly isLabelled?: boolean;
  /** True if an element shows the comment on the field. */
  readonly hasComment?: boolean;
}

function useAttributes({ place, isLabelled = false, hasComment = false }: ControlProps): Attributes {
  const hasProblem = useInput().problems.has(place.name);
  const descriptions = [hasComment && `${place.id}--comment`, hasProblem && `${place.id}--problem`].filter(Boolean);
  return {
    id: place.id,
    "aria-label": isLabelled ? undefined : place.label,
    "aria-invalid": hasProblem,
    "aria-describedby": descriptions.length > 0 ? descriptions.join(" ") : undefined,
  };
}

/** The control that fits the type and the value. A value that the control of its type cannot show is shown as JSON. */
export function Control(props: ControlProps) {
  const attributes = useAttributes(props);
  const Fitting = controlOf(props.type, props.value);
  return <Fitting {...props} attributes={attributes} />;
}

type FittingProps = ControlProps & { readonly attributes: Attributes };

function controlOf(type: ValueType, value: Json | undefined): (props: FittingProps) => JSX.Element {
  const isText = value === undefined || typeof value === "string";
  const isScalar = isText || value instanceof JsonNumber;
  const scalar = scalarOf(type);
  if (type.enum !== undefined) return isScalar || value === null ? EnumControl : JsonControl;
  if (scalar === ScalarType.BOOL) {
    return value === undefined || typeof value === "boolean" ? BoolControl : JsonControl;
  }
  if (scalar !== undefined && isNumeric(scalar)) return isScalar ? TextControl : JsonControl;
  if (scalar !== undefined) return isText && !value?.includes("\r") ? TextControl : JsonControl;
  if (type.message?.typeName === "google.protobuf.Timestamp") return isText ? TimestampControl : JsonControl;
  return isText && isLine(type) ? TextControl : JsonControl;
}

/** Returns the scalar type of a value. The JSON of a wrapper is that of its scalar. */
function scalarOf({ scalar, message }: ValueType): ScalarType | undefined {
  return message !== undefined && isWrapperDesc(message) ? message.fields[0].scalar : scalar;
}

function isLine({ message }: ValueType): boolean {
  return message?.typeName === "google.protobuf.Duration" || message?.typeName === "google.protobuf.FieldMask";
}

/** True if the value is edited in one control, and not field by field. */
export function isSingle(type: ValueType, value: Json | undefined): boolean {
  if (type.message === undefined) return true;
  const { typeName } = type.message;
  if (value !== undefined && !(value instanceof JsonObject)) return true;
  return isWrapperDesc(type.message) || SINGLE.has(typeName);
}

const SINGLE = new Set(
  ["Any", "Duration", "FieldMask", "ListValue", "Struct", "Timestamp", "Value"].map(
    (name) => `google.protobuf.${name}`,
  ),
);

const EXAMPLES: Readonly<Record<string, string>> = {
  "google.protobuf.Duration": "1.5s",
  "google.protobuf.FieldMask": "name,address.street",
};

function TextControl({ type, value, set, canUnset, isImplicit, attributes }: FittingProps) {
  const texts = useTexts();
  const scalar = scalarOf(type);
  const isNumber = scalar !== undefined && isNumeric(scalar);
  const text = value instanceof JsonNumber ? value.source : typeof value === "string" ? value : "";
  // An input drops line breaks, so a text with one is shown in a textarea. It stays there, to keep the focus.
  const [wasLong, setWasLong] = useState(false);
  const isLong = wasLong || text.includes("\n");
  if (isLong !== wasLong) setWasLong(isLong);

  function setText(typed: string): void {
    const json = isNumber ? numberOfText(scalar, typed.trim()) : typed;
    set(json === "" && (isImplicit || isNumber) && canUnset ? undefined : json);
  }
  const shared = {
    ...attributes,
    value: text,
    placeholder: value !== undefined || isImplicit ? undefined : texts.input.notSet,
    spellcheck: false,
    onInput: (event: { currentTarget: { value: string } }) => setText(event.currentTarget.value),
  };
  if (isLong) return <textarea {...shared} rows={Math.min(text.split("\n").length, MAX_ROWS)} />;
  const example = type.message && EXAMPLES[type.message.typeName];
  return (
    <input
      {...shared}
      placeholder={shared.placeholder ?? example}
      size={Math.min(Math.max(text.length, 3), 24)}
      autoComplete="off"
    />
  );
}

const MAX_ROWS = 8;

function TimestampControl(props: FittingProps) {
  const { value, set, place, attributes } = props;
  const texts = useTexts();
  return (
    <span class="joined">
      <input
        {...attributes}
        value={typeof value === "string" ? value : ""}
        placeholder="2026-01-31T12:00:00Z"
        size={24}
        autoComplete="off"
        spellcheck={false}
        onInput={({ currentTarget: { value } }) => set(value === "" && props.canUnset ? undefined : value)}
      />
      <button type="button" aria-label={texts.input.nowFor(place.label)} onClick={() => set(new Date().toISOString())}>
        {texts.input.now}
      </button>
    </span>
  );
}

function BoolControl({ value, set, canUnset, isImplicit, attributes }: FittingProps) {
  const texts = useTexts();
  if (!canUnset || isImplicit) {
    return (
      <input
        {...attributes}
        type="checkbox"
        checked={value === true}
        onChange={(event) => set(event.currentTarget.checked || (canUnset ? undefined : false))}
      />
    );
  }
  return (
    <select
      {...attributes}
      value={String(value ?? "")}
      onChange={({ currentTarget: { value } }) => set(value === "" ? undefined : value === "true")}
    >
      <option value="">{texts.input.notSet}</option>
      <option>true</option>
      <option>false</option>
    </select>
  );
}

function EnumControl({ type, value, set, canUnset, isImplicit, attributes }: FittingProps) {
  const texts = useTexts();
  const { values } = type.enum as DescEnum;
  const number = value instanceof JsonNumber ? value.source : undefined;
  const named = values.find(
    (each) => String(each.number) === number || (each.name !== value && each.jsonName === value),
  );
  const chosen = named?.name ?? number ?? (value === null ? (values[0]?.name ?? "") : ((value as string) ?? ""));
  const isKnown = values.some(({ name }) => name === chosen) || (chosen === "" && canUnset);
  return (
    <select
      {...attributes}
      value={chosen}
      onChange={({ currentTarget: { value } }) => set(value === "" && canUnset ? undefined : value)}
    >
      {canUnset && <option value="">{isImplicit ? "" : texts.input.notSet}</option>}
      {!isKnown && <option>{chosen}</option>}
      {values.map(({ name }) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
