/** The name, type, comment and problem of a value. */
import type { DescField } from "@bufbuild/protobuf";
import type { ComponentChildren } from "preact";
import { isRequired } from "../../call/draft.ts";
import { scalarName } from "../../call/scalars.ts";
import { Comment } from "../comment.tsx";
import { useTexts } from "../language.ts";
import { commentOf, type Place, useInput } from "./context.ts";

interface HeadProps {
  readonly field: DescField;
  readonly place: Place;
  readonly toggle?: ComponentChildren;
  readonly isLabel?: boolean;
}

export function Head({ field, place, toggle, isLabel = false }: HeadProps) {
  const { comments } = useInput();
  const comment = commentOf(comments, field);
  const prefix = place.label.slice(0, -field.jsonName.length);
  const name = (
    <>
      {prefix !== "" && <span class="unseen">{prefix}</span>}
      {field.jsonName}
    </>
  );
  return (
    <div class="head">
      {isLabel ? <label for={place.id}>{name}</label> : <span class="label">{name}</span>} <TypeOf field={field} />
      {toggle}
      {comment !== undefined && (
        <div class="note" id={`${place.id}-comment`}>
          <Comment text={comment} />
        </div>
      )}
    </div>
  );
}

export function TypeOf({ field }: { field: DescField }) {
  const texts = useTexts();
  return (
    <span class="type" lang="en">
      {typeName(field)}
      {isRequired(field) && <span lang={undefined}> {texts.input.required}</span>}
    </span>
  );
}

/** Returns the type as contracts write it, but without packages. */
function typeName(field: DescField): string {
  const { scalar, enum: ofEnum, message } = field;
  const name = scalar === undefined ? (ofEnum ?? message)?.name : scalarName(scalar);
  if (field.fieldKind === "map") return `map<${scalarName(field.mapKey)}, ${name}>`;
  return field.fieldKind === "list" ? `repeated ${name}` : `${name}`;
}

export function ProblemOf({ place: { name, id } }: { place: Place }) {
  const problem = useInput().problems.get(name);
  return (
    problem && (
      <p class="problem" id={`${id}-problem`} lang="en">
        {problem.message}
      </p>
    )
  );
}
