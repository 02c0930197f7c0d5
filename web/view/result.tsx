/** Shows the outcome of a call in a line: the response, the error, or the count of messages. Screen readers announce it. */
import { type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { errorOf, isStream, isUnanswered, type Outcome } from "../call/call.ts";
import { isBinary } from "../call/protocol.ts";
import { formatHttpVersion, formatMessage, formatMilliseconds, shorten } from "./format.ts";
import { useTexts } from "./language.ts";
import { useSchema } from "./schema.ts";
import { StreamCount } from "./stream-count.tsx";

/** Limits the characters that are shown of a response. */
const MAX_CHARACTERS = 300;
/** The characters above which a response is shown in smaller letters. */
const LONG_CHARACTERS = 60;

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
  return (
    <div class="outcome">
      <div class="result" role="status" aria-busy={isWaiting}>
        {isWaiting ? <p class="note">{texts.calling}</p> : outcome && <Lines outcome={outcome} />}
      </div>
      {isCalling && (
        <p class="stop">
          <button type="button" onClick={stop}>
            {texts.stop}
          </button>
        </p>
      )}
    </div>
  );
}

function Lines({ outcome }: { outcome: Outcome }) {
  const texts = useTexts();
  const error = errorOf(outcome);
  return (
    <>
      {isStream(outcome) && <StreamCount outcome={outcome} />}
      {error && !outcome.isStopped && (
        <p class="error">
          <code>{codeToString(error.code)}</code> <span lang="en">{error.rawMessage}</span>
        </p>
      )}
      {!isStream(outcome) && !(outcome.output instanceof ConnectError) && (
        <Response desc={outcome.method.output} message={outcome.output} />
      )}
      {outcome.isStopped && <p class="note">{texts.stopped}</p>}
      {outcome.isTruncated && <p class="note">{hadBytes(outcome) ? texts.truncated : texts.loneTag}</p>}
      {isUnanswered(outcome) && <p class="note">{texts.noResponse}</p>}
      {!(isStream(outcome) && !outcome.isOver) && <Took outcome={outcome} />}
    </>
  );
}

function Response({ desc, message }: { desc: DescMessage; message: Message }) {
  const texts = useTexts();
  const { registry } = useSchema();
  const line = shorten(formatMessage(desc, message, registry), MAX_CHARACTERS) || texts.emptyResponse;
  return (
    <p class={line.length > LONG_CHARACTERS ? "response long" : "response"}>
      <span class="unseen">{texts.responseLabel}: </span>
      {line}
    </p>
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
