/** The form of a call: the input, the protocol, metadata, and buttons that call. */
import { isCallable } from "../call/methods.ts";
import { isOffered, isSafe, PROTOCOL_NAMES, PROTOCOLS } from "../call/protocol.ts";
import type { Problems } from "../call/read-draft.ts";
import type { Caller } from "./caller.ts";
import { Comment } from "./comment.tsx";
import { CopyLink } from "./copy-link.tsx";
import { Input } from "./input/input.tsx";
import { KeyHints } from "./keys.tsx";
import { useTexts } from "./language.ts";
import type { Metadata } from "./metadata.ts";
import { MetadataFields } from "./metadata-fields.tsx";
import { Name } from "./name.tsx";
import type { Request } from "./request.ts";
import { useSchema } from "./schema.ts";

export interface CallFormProps {
  readonly request: Request;
  readonly metadata: Metadata;
  readonly caller: Caller;
}

const NO_PROBLEMS: Problems = new Map();

export function CallForm({ request, metadata, caller }: CallFormProps) {
  const { method, draft, setDraft } = request;
  const { input, canCall, call } = caller;
  const texts = useTexts();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        call();
      }}
    >
      <MethodNotes request={request} />
      <Input
        key={method}
        desc={method.input}
        {...{ draft, setDraft }}
        problems={"problems" in input ? input.problems : NO_PROBLEMS}
        head={
          <span class="name">
            <Name text={`${method.parent.typeName}.${method.name}`} />
          </span>
        }
        action={
          isCallable(method) && (
            <>
              <button type="submit" class="primary" disabled={!canCall} aria-keyshortcuts="Control+Enter Meta+Enter">
                {texts.call}
              </button>
              <KeyHints />
            </>
          )
        }
      />
      {isCallable(method) ? <Protocols request={request} /> : <p class="note streams">{texts.notCallable}</p>}
      <MetadataFields metadata={metadata} />
      <div class="foot">
        {isCallable(method) && <Tries caller={caller} canChange={metadata.isValid && draft.error === undefined} />}
        <CopyLink method={method} draft={draft} />
      </div>
    </form>
  );
}

/** The comment of the method, and its kind if that is not unary. */
function MethodNotes({ request: { method } }: { request: Request }) {
  const texts = useTexts();
  const { comments } = useSchema();
  const { parent, name, methodKind, deprecated } = method;
  const notes = [
    ...(methodKind === "unary" ? [] : [texts.kinds[methodKind]]),
    ...(deprecated ? [texts.deprecated] : []),
  ];
  return (
    <>
      <Comment text={comments.get(`${parent.typeName}.${name}`)} />
      {notes.length > 0 && <p class="kind note">{notes.join(", ")}</p>}
    </>
  );
}

function Protocols({ request: { method, protocol, setProtocol } }: { request: Request }) {
  const texts = useTexts();
  const isUnary = method.methodKind === "unary";
  return (
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
              onChange={() => setProtocol(each)}
            />
            {PROTOCOL_NAMES[each]}
          </label>
        ))}
      </div>
      <p class="note">
        {texts.protocols[protocol]} {isUnary && (isSafe(method) ? texts.calledInEach : texts.calledOnce)}
      </p>
    </fieldset>
  );
}

interface TriesProps {
  readonly caller: Caller;
  /** False if a call with another input would fail too, or would replace a text that is not JSON. */
  readonly canChange: boolean;
}

function Tries({ caller: { canCall, callMaximum, callTruncated }, canChange }: TriesProps) {
  const texts = useTexts();
  return (
    <p class="tries">
      <span>{texts.tryLabel}</span>
      {callMaximum && (
        <button type="button" onClick={callMaximum} disabled={!canChange}>
          {texts.tryMaximum}
        </button>
      )}
      <button type="button" onClick={callTruncated} disabled={!canCall}>
        {texts.tryTruncated}
      </button>
    </p>
  );
}
