/** The fields of a short message, as the arguments of a call in a program. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { type Draft, isImplicit } from "../../call/draft.ts";
import { findMember, setField } from "../../call/edits.ts";
import { isNumeric } from "../../call/scalars.ts";
import { commentOf, placeOfField, ROOT, useInput } from "./context.ts";
import { Control } from "./control.tsx";
import { TypeOf } from "./head.tsx";

const MAX_NAME_LENGTH = 20;
const MAX_ARGUMENTS = 4;

/** True if the field has one short value, which its control can unset without another button. */
function fitsArgument(field: DescField): boolean {
  if (field.jsonName.length > MAX_NAME_LENGTH || field.oneof !== undefined) return false;
  if (field.fieldKind !== "scalar") return field.fieldKind === "enum";
  return field.scalar === ScalarType.BOOL || isNumeric(field.scalar) || isImplicit(field);
}

/** True if the message has only a few fields, each of a scalar type or an enum. */
export function fitsLine(desc: DescMessage): boolean {
  if (hasCustomJsonRepresentation(desc) || desc.fields.length > MAX_ARGUMENTS) return false;
  return desc.fields.every(fitsArgument);
}

export function Arguments({ desc, draft: { json, error } }: { desc: DescMessage; draft: Draft }) {
  const { edit, comments } = useInput();
  return (
    <fieldset class="arguments" disabled={error !== undefined}>
      <span aria-hidden="true">(</span>
      {desc.fields.map((field, index) => {
        const member = findMember(json, field);
        const place = placeOfField(ROOT, field, member);
        return (
          <span key={field.number} class="argument">
            <label for={place.id}>{field.jsonName}</label>
            <Control
              type={field}
              value={member?.value}
              place={place}
              set={(value) => edit([], (message) => setField(message, desc, field, value))}
              canUnset
              isImplicit={isImplicit(field)}
              isLabelled
              hasComment={commentOf(comments, field) !== undefined}
            />
            {index < desc.fields.length - 1 && <span aria-hidden="true">,</span>}
          </span>
        );
      })}
      <span aria-hidden="true">)</span>
    </fieldset>
  );
}

/** The comments on the arguments, with their types. */
export function Comments({ desc }: { desc: DescMessage }) {
  const { comments } = useInput();
  return desc.fields.map((field) => {
    const comment = commentOf(comments, field);
    return (
      comment && (
        <p key={field.number} class="note about">
          <code>{field.jsonName}</code> <TypeOf of={field} />{" "}
          <span id={`${placeOfField(ROOT, field).id}--comment`}>{comment}</span>
        </p>
      )
    );
  });
}
