/** The call as it is written in a program, to be filled in: its fields are those of the method's input. */
import { type DescMethodUnary, ScalarType } from "@bufbuild/protobuf";
import { methods } from "../call/contract.ts";
import { type FormField, formFields, type Problems, type Texts as Typed } from "../call/input.ts";
import { isOffered, isSafe, PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import { useTexts } from "./speech.ts";

export interface CallFormProps {
  readonly method: DescMethodUnary;
  readonly chooseMethod: (method: DescMethodUnary) => void;
  readonly typed: Typed;
  readonly type: (typed: Typed) => void;
  readonly problems: Problems;
  readonly protocol: Protocol;
  readonly chooseProtocol: (protocol: Protocol) => void;
  readonly call: () => void;
  /** Undefined where the method is given no whole number. */
  readonly callGreatest: (() => void) | undefined;
  readonly callShortened: () => void;
}

export function CallForm(props: CallFormProps) {
  const { method, typed, type, problems, protocol, chooseProtocol, call, callGreatest, callShortened } = props;
  const texts = useTexts();
  const fields = formFields(method.input);
  const isRefused = problems.size > 0;

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        call();
      }}
    >
      <div class="function">
        <MethodName {...props} />
        <span aria-hidden="true">(</span>
        {fields.map((field, index) => (
          <span key={field.jsonName} class="argument">
            <label for={`field-${field.jsonName}`}>{field.jsonName}</label>
            <Field
              field={field}
              text={typed.get(field.jsonName) ?? ""}
              problem={problems.get(field.jsonName)}
              type={(text) => type(new Map(typed).set(field.jsonName, text))}
            />
            {index < fields.length - 1 && <span aria-hidden="true">,</span>}
          </span>
        ))}
        <span aria-hidden="true">)</span>
        <button type="submit" class="primary" disabled={isRefused}>
          {texts.call}
        </button>
      </div>
      {[...problems].map(([name, problem]) => (
        <p key={name} class="problem" id={`problem-${name}`} role="alert">
          {texts.onlyRefused}: <span lang="en">{problem}</span>
        </p>
      ))}
      {fields.length < method.input.fields.length && <p class="note">{texts.leftOut}</p>}
      <fieldset class="protocols">
        <legend class="unseen">{texts.protocolLabel}</legend>
        <div class="choices">
          {PROTOCOLS.map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="protocol"
                value={each}
                checked={each === protocol}
                disabled={!isOffered(each, method)}
                onChange={() => chooseProtocol(each)}
              />
              {PROTOCOL_NAMES[each]}
            </label>
          ))}
        </div>
        <p class="note">
          {texts.protocols[protocol]} {isSafe(method) ? texts.calledInEach : texts.calledOnce}
        </p>
      </fieldset>
      <p class="tries">
        <span>{texts.tryLabel}</span>
        {callGreatest && (
          <button type="button" onClick={callGreatest}>
            {texts.tryGreatest}
          </button>
        )}
        <button type="button" onClick={callShortened} disabled={isRefused}>
          {texts.tryShortened}
        </button>
      </p>
    </form>
  );
}

function MethodName({ method, chooseMethod }: CallFormProps) {
  const texts = useTexts();
  const nameOf = ({ parent, name }: DescMethodUnary) => `${parent.typeName}.${name}`;
  if (methods.length === 1) return <span class="name">{nameOf(method)}</span>;
  return (
    <select
      class="name"
      aria-label={texts.methodLabel}
      value={nameOf(method)}
      onChange={({ currentTarget: { value } }) => {
        const chosen = methods.find((each) => nameOf(each) === value);
        if (chosen !== undefined) chooseMethod(chosen);
      }}
    >
      {methods.map((each) => (
        <option key={nameOf(each)}>{nameOf(each)}</option>
      ))}
    </select>
  );
}

interface FieldProps {
  readonly field: FormField;
  readonly text: string;
  readonly problem: string | undefined;
  readonly type: (text: string) => void;
}

function Field({ field, text, problem, type }: FieldProps) {
  const id = `field-${field.jsonName}`;
  if (field.scalar === ScalarType.BOOL) {
    return (
      <input
        id={id}
        type="checkbox"
        checked={text === "true"}
        onChange={(event) => type(String(event.currentTarget.checked))}
      />
    );
  }
  if (field.enum !== undefined) {
    return (
      <select id={id} value={text} onChange={(event) => type(event.currentTarget.value)}>
        <option />
        {field.enum.values.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    );
  }
  return (
    <input
      id={id}
      value={text}
      size={Math.min(Math.max(text.length, 3), 24)}
      autoComplete="off"
      spellcheck={false}
      aria-invalid={problem !== undefined}
      aria-describedby={problem === undefined ? undefined : `problem-${field.jsonName}`}
      onInput={(event) => type(event.currentTarget.value)}
    />
  );
}
