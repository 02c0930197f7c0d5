/** The name, type, comment and problem of a value. */
import type { DescField, DescOneof } from "@bufbuild/protobuf";
import type { ComponentChildren } from "preact";
import { isRequired } from "../../call/draft.ts";
import { scalarName } from "../../call/scalars.ts";
import { Comment } from "../comment.tsx";
import { useTexts } from "../language.ts";
import { commentOf, type Place, useInput } from "./context.ts";

interface HeadProps {
  /** The field or oneof. */
  readonly of: DescField | DescOneof;
  readonly place: Place;
  /** The identifier of the control that the name labels. Undefined if there are several. */
  readonly control?: string;
  readonly toggle?: ComponentChildren;
}

export function Head({ of, place, control, toggle }: HeadProps) {
  const comment = commentOf(useInput().comments, of);
  const shown = of.kind === "field" ? of.jsonName : of.name;
  const prefix = place.label.slice(0, -shown.length);
  const name = (
    <>
      {prefix !== "" && <span class="unseen">{prefix}</span>}
      {shown}
    </>
  );
  return (
    <div class="head">
      {control === undefined ? <span class="label">{name}</span> : <label for={control}>{name}</label>}{" "}
      <TypeOf of={of} />
      {toggle}
      {comment !== undefined && (
        <div class="note" id={`${place.id}--comment`}>
          <Comment text={comment} />
        </div>
      )}
    </div>
  );
}

export function TypeOf({ of }: { of: DescField | DescOneof }) {
  const texts = useTexts();
  return (
    <span class="type">
      <span lang="en">{of.kind === "field" ? typeName(of) : "oneof"}</span>
      {of.kind === "field" && isRequired(of) && ` ${texts.input.required}`}
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
      <p class="problem" id={`${id}--problem`} lang="en">
        {problem.message}
      </p>
    )
  );
}
