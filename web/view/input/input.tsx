/** The input of a method: a form and a JSON editor for the same message. */
import type { DescMessage } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { type Draft, draftOfJson } from "../../call/draft.ts";
import { editAt, isKeyOf } from "../../call/edits.ts";
import { countValues, type Json } from "../../call/json.ts";
import type { Problems } from "../../call/read-draft.ts";
import { useTexts } from "../language.ts";
import { useSchema } from "../schema.ts";
import { Arguments, Comments, fitsLine } from "./arguments.tsx";
import { InputContext, type InputState, placeOfField, ROOT, useInput } from "./context.ts";
import { Control } from "./control.tsx";
import { Editor } from "./editor.tsx";
import { Fields } from "./fields.tsx";
import { ProblemOf } from "./head.tsx";

export interface InputProps {
  readonly desc: DescMessage;
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
  readonly problems: Problems;
  /** The name of the method, before the fields. */
  readonly head: ComponentChildren;
  /** The button that calls, after the fields. */
  readonly action: ComponentChildren;
}

/** Shows a message with a few short fields as a call in a program, and other messages as a form beside the editor. */
export function Input(props: InputProps) {
  const { desc, draft, setDraft, problems } = props;
  const { comments } = useSchema();
  const state = useMemo<InputState>(
    () => ({ edit: (path, change) => setDraft(draftOfJson(editAt(draft.json, path, change))), problems, comments }),
    [draft, setDraft, problems, comments],
  );
  const Layout = fitsLine(desc) ? Line : Sides;
  return (
    <InputContext.Provider value={state}>
      <div class="input">
        <Layout {...props} />
      </div>
    </InputContext.Provider>
  );
}

function Line({ desc, draft, setDraft, problems, head, action }: InputProps) {
  const texts = useTexts();
  return (
    <>
      <div class="function">
        {head}
        <Arguments desc={desc} draft={draft} />
        {action}
      </div>
      <Comments desc={desc} />
      {[...problems].map(([name, { message }]) => (
        <p key={name} class="problem" id={problemId(desc, name)} role="alert">
          {texts.onlyRefused}: <NamedProblem name={name} message={message} />
        </p>
      ))}
      <details class="json">
        <summary>{texts.input.json}</summary>
        <Outdated draft={draft} />
        <Editor {...{ draft, setDraft, problems }} />
      </details>
    </>
  );
}

/** Returns the identifier by which the control of the field names its problem. Undefined if `name` is not a field. */
function problemId({ fields }: DescMessage, name: string): string | undefined {
  const field = fields.find((each) => isKeyOf(name, each));
  return field && `${placeOfField(ROOT, field).id}--problem`;
}

function Sides({ desc, draft, setDraft, problems, head, action }: InputProps) {
  const texts = useTexts();
  const [first] = problems;
  return (
    <>
      <div class="function">{head}</div>
      <div class="sides">
        <fieldset class="form" aria-label={texts.input.form} disabled={draft.error !== undefined}>
          <Outdated draft={draft} />
          <Form desc={desc} draft={draft} />
        </fieldset>
        <details class="json" open>
          <summary>{texts.input.json}</summary>
          <Editor {...{ draft, setDraft, problems }} />
        </details>
      </div>
      <div class="function">{action}</div>
      <div role="alert">
        {first && (
          <p class="problem">
            {texts.onlyRefused}: <NamedProblem name={first[0]} message={first[1].message} />
          </p>
        )}
      </div>
    </>
  );
}

function NamedProblem({ name, message }: { name: string; message: string }) {
  return (
    <span lang="en">
      {name !== "" && <code>{name}</code>} {message}
    </span>
  );
}

/** Limits the values of a message that the form shows. All of them are rendered after each key press. */
const MAX_VALUES = 500;

function Form({ desc, draft: { json } }: Pick<InputProps, "desc" | "draft">) {
  const texts = useTexts();
  if (countValues(json, MAX_VALUES) === MAX_VALUES) return <p class="note">{texts.input.tooLarge(MAX_VALUES)}</p>;
  if (hasCustomJsonRepresentation(desc)) return <Whole desc={desc} json={json} />;
  return <Fields desc={desc} json={json} place={ROOT} />;
}

/** A message of protobuf's own that is edited in one control, such as google.protobuf.Timestamp. */
function Whole({ desc, json }: { desc: DescMessage; json: Json }) {
  const { edit } = useInput();
  return (
    <div class="field">
      <Control
        type={{ scalar: undefined, enum: undefined, message: desc }}
        value={json}
        place={{ ...ROOT, label: desc.name }}
        set={(changed) => edit([], (json) => (changed === undefined ? json : changed))}
        canUnset={false}
      />
      <ProblemOf place={ROOT} />
    </div>
  );
}

/** Says that the form is older than the text in the editor. */
function Outdated({ draft: { error } }: Pick<InputProps, "draft">) {
  const texts = useTexts();
  return error && <p class="problem">{texts.input.outdated}</p>;
}
