/** Shows a message as JSON, for messages that do not fit in a line. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { useMemo } from "preact/hooks";
import { formatWhole, shorten } from "./format.ts";
import { useSchema } from "./schema.ts";

/** The characters above which a message does not fit in a line. */
export const LINE_CHARACTERS = 60;
/** Limits the characters that are shown. */
const MAX_CHARACTERS = 1_000_000;
const MAX_ROWS = 24;

export interface WholeProps {
  readonly label: string;
  readonly desc: DescMessage;
  readonly message: Message;
}

/** A text field, from which the keyboard can select and copy. */
export function Whole({ label, desc, message }: WholeProps) {
  const { registry } = useSchema();
  const json = useMemo(() => shorten(formatWhole(desc, message, registry), MAX_CHARACTERS), [desc, message, registry]);
  const rows = Math.min(json.split("\n", MAX_ROWS).length, MAX_ROWS);
  return <textarea class="whole" aria-label={label} value={json} rows={rows} readOnly spellcheck={false} />;
}
