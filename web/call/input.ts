/** The fields of a message that fit on a line. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";

/** A field that a line can have: of a scalar type, or an enum. */
export type FormField = DescField & { fieldKind: "scalar" | "enum" };

/** Returns the fields. Protobuf's own types do not have any, since their JSON has special forms. */
export function formFields({ fields, typeName }: DescMessage): FormField[] {
  if (typeName.startsWith("google.protobuf.")) return [];
  return fields.filter((field): field is FormField => field.fieldKind === "scalar" || field.fieldKind === "enum");
}
