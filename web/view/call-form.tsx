/** The form of a call, which looks like a call in a program: a field for each argument. */
import { type DescMethodUnary, ScalarType } from "@bufbuild/protobuf";
import { type FormField, type FormValues, formFields, type Problems } from "../call/input.ts";
import { isOffered, isSafe, PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import { useTexts } from "./language.ts";

export interface CallFormProps {
  readonly method: DescMethodUnary;
  readonly values: FormValues;
  readonly setValues: (values: FormValues) => void;
  readonly problems: Problems;
  readonly protocol: Protocol;
  readonly chooseProtocol: (protocol: Protocol) => void;
  readonly call: () => void;
  /** Calls with the maximum in each integer field. Undefined if no field can get its maximum. */
  readonly callMaximum: (() => void) | undefined;
  /** Calls with the encoded message truncated. */
  readonly callTruncated: () => void;
}

export function CallForm(props: CallFormProps) {
  const { method, values, setValues, problems, protocol, chooseProtocol, call, callMaximum, callTruncated } = props;
  const texts = useTexts();
  const fields = formFields(method.input);
  const isInvalid = problems.size > 0;

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        call();
      }}
    >
      <div class="function">
        <span class="name">
          {method.parent.typeName}.{method.name}
        </span>
        <span aria-hidden="true">(</span>
        {fields.map((field, index) => (
          <span key={field.jsonName} class="argument">
            <label for={`field-${field.jsonName}`}>{field.jsonName}</label>
            <Field
              field={field}
              text={values.get(field.jsonName) ?? ""}
              problem={problems.get(field.jsonName)}
              setText={(text) => setValues(new Map(values).set(field.jsonName, text))}
            />
            {index < fields.length - 1 && <span aria-hidden="true">,</span>}
          </span>
        ))}
        <span aria-hidden="true">)</span>
        <button type="submit" class="primary" disabled={isInvalid}>
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
        {callMaximum && (
          <button type="button" onClick={callMaximum}>
            {texts.tryMaximum}
          </button>
        )}
        <button type="button" onClick={callTruncated} disabled={isInvalid}>
          {texts.tryTruncated}
        </button>
      </p>
    </form>
  );
}

interface FieldProps {
  readonly field: FormField;
  readonly text: string;
  readonly problem: string | undefined;
  readonly setText: (text: string) => void;
}

function Field({ field, text, problem, setText }: FieldProps) {
  const id = `field-${field.jsonName}`;
  if (field.scalar === ScalarType.BOOL) {
    return (
      <input
        id={id}
        type="checkbox"
        checked={text === "true"}
        onChange={(event) => setText(String(event.currentTarget.checked))}
      />
    );
  }
  if (field.enum !== undefined) {
    return (
      <select id={id} value={text} onChange={(event) => setText(event.currentTarget.value)}>
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
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}
