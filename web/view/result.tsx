/** Shows the outcome of a call in a line: the response, the error, or the count of messages. Screen readers announce it. */
import { type Message, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { useMemo, useRef, useState } from "preact/hooks";
import { errorOf, isStream, isUnanswered, type Outcome } from "../call/call.ts";
import { isBinary } from "../call/protocol.ts";
import { formatHttpVersion, formatMessage, formatMilliseconds, shorten } from "./format.ts";
import { useTexts } from "./language.ts";
import { useSchema } from "./schema.ts";
import { StreamCount } from "./stream-count.tsx";
import { LINE_CHARACTERS, Whole } from "./whole.tsx";

/** Limits the characters that are shown of a response in the line. */
const MAX_CHARACTERS = 300;
/** Limits the characters that are shown of an error's message. */
const MAX_ERROR_CHARACTERS = 2_000;

export interface ResultProps {
  readonly outcome: Outcome | undefined;
  readonly isCalling: boolean;
  /** Stops the call that is in flight. */
  readonly stop: () => void;
}

export function Result({ outcome, isCalling, stop }: ResultProps) {
  const texts = useTexts();
  const isStreaming = outcome !== undefined && isStream(outcome) && !outcome.isOver;
  const isWaiting = isCalling && !isStreaming;
  const line = useLine(outcome);
  const element = useRef<HTMLDivElement>(null);

  /** Moves the focus from the button, which disappears, to the outcome. */
  function onStop(): void {
    element.current?.focus();
    stop();
  }

  return (
    <div ref={element} class="outcome" tabIndex={-1}>
      <div class="result" role="status" aria-busy={isWaiting}>
        {isWaiting ? <p class="note">{texts.calling}</p> : outcome && <Lines {...{ outcome, line }} />}
      </div>
      {!isWaiting && outcome && line !== undefined && line.length > LINE_CHARACTERS && (
        <WholeResponse outcome={outcome} />
      )}
      {isCalling && (
        <p class="stop">
          <button type="button" onClick={onStop}>
            {texts.stop}
          </button>
        </p>
      )}
    </div>
  );
}

interface LinesProps {
  readonly outcome: Outcome;
  /** The response in a line. */
  readonly line: string | undefined;
}

function Lines({ outcome, line }: LinesProps) {
  const texts = useTexts();
  const error = errorOf(outcome);
  return (
    <>
      {isStream(outcome) && <StreamCount outcome={outcome} />}
      {error && !outcome.isStopped && (
        <p class="error">
          <code>{codeToString(error.code)}</code>{" "}
          <span lang="en">{shorten(error.rawMessage, MAX_ERROR_CHARACTERS)}</span>
        </p>
      )}
      {line !== undefined && (
        <p class={line.length > LINE_CHARACTERS ? "response long" : "response"}>
          <span class="unseen">{texts.responseLabel}: </span>
          {shorten(line, MAX_CHARACTERS) || texts.emptyResponse}
        </p>
      )}
      {outcome.isStopped && <p class="note">{texts.stopped}</p>}
      {outcome.isTruncated && <p class="note">{hadBytes(outcome) ? texts.truncated : texts.loneTag}</p>}
      {isUnanswered(outcome) && <p class="note">{texts.noResponse}</p>}
      {!(isStream(outcome) && !outcome.isOver) && <Took outcome={outcome} />}
    </>
  );
}

/** Returns the response of a unary call in a line. Returns undefined for a stream and an error. */
function useLine(outcome: Outcome | undefined): string | undefined {
  const { registry } = useSchema();
  return useMemo(() => {
    const response = outcome && responseOf(outcome);
    return response && formatMessage(outcome.method.output, response, registry);
  }, [outcome, registry]);
}

function responseOf(outcome: Outcome): Message | undefined {
  return isStream(outcome) || outcome.output instanceof ConnectError ? undefined : outcome.output;
}

/** The whole response as JSON, which the user can open. */
function WholeResponse({ outcome }: { outcome: Outcome }) {
  const texts = useTexts();
  const [isOpen, setOpen] = useState(false);
  const message = responseOf(outcome);
  return (
    <details class="whole-response" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{texts.wholeResponse}</summary>
      {isOpen && message && <Whole label={texts.wholeResponse} desc={outcome.method.output} message={message} />}
    </details>
  );
}

function Took({ outcome: { milliseconds, response } }: { outcome: Outcome }) {
  const texts = useTexts();
  return (
    <p class="note">
      {response?.delivery === "cache"
        ? texts.delivered.cache
        : texts.took(formatMilliseconds(milliseconds), formatHttpVersion(response?.httpVersion))}
    </p>
  );
}

/**
 * True if the encoded message was not empty before its truncation. Protobuf's binary format encodes a message with only
 * defaults in zero bytes.
 */
function hadBytes({ protocol, method, input }: Outcome): boolean {
  return !isBinary(protocol) || toBinary(method.input, input).length > 0;
}
