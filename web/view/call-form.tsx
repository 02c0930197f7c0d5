/** The form of a call, which looks like a call in a program: a field for each argument. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import type { Draft } from "../call/draft.ts";
import { isOffered, isSafe, PROTOCOL_NAMES, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import type { Problems } from "../call/read-draft.ts";
import { Input } from "./input/input.tsx";
import { useTexts } from "./language.ts";

export interface CallFormProps {
  readonly method: DescMethodUnary;
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
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
  const { method, draft, setDraft, problems, protocol, chooseProtocol, call, callMaximum, callTruncated } = props;
  const texts = useTexts();
  const isInvalid = problems.size > 0;

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        call();
      }}
    >
      <Input
        key={method}
        {...{ desc: method.input, draft, setDraft, problems }}
        head={
          <span class="name">
            {method.parent.typeName}.{method.name}
          </span>
        }
        action={
          <button type="submit" class="primary" disabled={isInvalid}>
            {texts.call}
          </button>
        }
      />
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
