/** Shows the outcome of a call in a line: the response, or the error. Screen readers announce it. */
import { type DescMessage, type JsonValue, type Message, type Registry, toBinary, toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { isStream, isUnanswered, type Outcome, type UnaryOutcome } from "../call/call.ts";
import { isBinary } from "../call/protocol.ts";
import { formatHttpVersion, formatMilliseconds, shorten } from "./format.ts";
import { useTexts } from "./language.ts";
import { useSchema } from "./schema.ts";

/** Limits the characters that are shown of a response. */
const MAX_CHARACTERS = 300;

export function Result({ outcome, isCalling }: { outcome: Outcome | undefined; isCalling: boolean }) {
  const texts = useTexts();
  return (
    <div class="result" role="status" aria-busy={isCalling}>
      {isCalling ? <p class="note">{texts.calling}</p> : outcome && !isStream(outcome) && <Line outcome={outcome} />}
    </div>
  );
}

function Line({ outcome }: { outcome: UnaryOutcome }) {
  const { method, output, milliseconds, response, isTruncated } = outcome;
  const texts = useTexts();
  const { registry } = useSchema();
  return (
    <>
      {output instanceof ConnectError ? (
        <p class="error">
          <code>{codeToString(output.code)}</code> <span lang="en">{output.rawMessage}</span>
        </p>
      ) : (
        <p class="response">
          <span class="unseen">{texts.responseLabel}: </span>
          {shorten(formatMessage(method.output, output, registry), MAX_CHARACTERS) || texts.emptyResponse}
        </p>
      )}
      {isTruncated && <p class="note">{hadBytes(outcome) ? texts.truncated : texts.loneTag}</p>}
      {isUnanswered(outcome) && <p class="note">{texts.noResponse}</p>}
      <p class="note">
        {response?.delivery === "cache"
          ? texts.delivered.cache
          : texts.took(formatMilliseconds(milliseconds), formatHttpVersion(response?.httpVersion))}
      </p>
    </>
  );
}

/**
 * True if the encoded message was not empty before its truncation. Protobuf's binary format encodes a message with only
 * defaults in zero bytes.
 */
function hadBytes({ protocol, method, input }: UnaryOutcome): boolean {
  return !isBinary(protocol) || toBinary(method.input, input).length > 0;
}

/**
 * Returns the message like "sum = 3", including fields with default values. Returns the error's text if JSON cannot
 * represent the message.
 */
function formatMessage(desc: DescMessage, message: Message, registry: Registry): string {
  let json: JsonValue;
  try {
    json = toJson(desc, message, { alwaysEmitImplicit: true, registry });
  } catch (error) {
    return (error as Error).message; // an Any has a type that the contract does not have
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) return JSON.stringify(json);
  return Object.entries(json)
    .map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
