/** The outcome of a call in a line: the answer, or the error; said to those who do not see it. */

import { type DescMessage, type JsonValue, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { Outcome } from "../call/call.ts";
import { registry } from "../call/contract.ts";
import { isBinary } from "../call/protocol.ts";
import { cut } from "./cut.ts";
import { useTexts } from "./speech.ts";

export function Result({ outcome, isCalling }: { outcome: Outcome | undefined; isCalling: boolean }) {
  const texts = useTexts();
  return (
    <div class="result" role="status" aria-busy={isCalling}>
      {isCalling ? <p class="note">{texts.calling}</p> : outcome && <Line outcome={outcome} />}
    </div>
  );
}

function Line({ outcome }: { outcome: Outcome }) {
  const { method, output, milliseconds, request, answer, isShortened } = outcome;
  const texts = useTexts();
  const time = milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
  return (
    <>
      {output instanceof ConnectError ? (
        <p class="error">
          <code>{codeToString(output.code)}</code> <span lang="en">{output.rawMessage}</span>
        </p>
      ) : (
        <p class="answer">
          <span class="unseen">{texts.answerIs}: </span>
          {cut(describe(method.output, output), MAX_LENGTH) || texts.emptyAnswer}
        </p>
      )}
      {isShortened && <p class="note">{hadBytes(outcome) ? texts.shortened : texts.loneTag}</p>}
      {request !== undefined && answer === undefined && <p class="note">{texts.noAnswer}</p>}
      <p class="note">
        {answer?.delivery === "cached" ? texts.delivered.cached : texts.took(time, nameOf(answer?.httpVersion))}
      </p>
    </>
  );
}

/** Whether the message took any bytes: in protobuf's binary format one with every field at its default takes none. */
function hadBytes({ protocol, method, input }: Outcome): boolean {
  return !isBinary(protocol) || toBinary(method.input, input).length > 0;
}

/** The most of an answer that stands in a line, in characters. */
const MAX_LENGTH = 300;

/** Like "sum = 3"; a field at its default is shown too. Where the message cannot be told in JSON, why not. */
function describe(desc: DescMessage, message: Message): string {
  let json: JsonValue;
  try {
    json = toJson(desc, message, { alwaysEmitImplicit: true, registry });
  } catch (error) {
    return (error as Error).message; // it holds an Any, of a type that the contract does not have
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) return JSON.stringify(json);
  return Object.entries(json)
    .map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

/** The HTTP version of an ALPN identifier (RFC 7301). */
export function nameOf(alpn: string | undefined): string | undefined {
  return alpn === "h2" ? "HTTP/2" : alpn?.toUpperCase();
}
