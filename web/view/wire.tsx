/** A request and its answer, as they were recorded. */

import type { Outcome } from "../call/call.ts";
import type { Header, ReceivedAnswer, SentRequest } from "../call/recorder.ts";
import { answerParts, requestParts } from "../call/sizes.ts";
import { Bytes } from "./bytes.tsx";
import { nameOf } from "./result.tsx";
import { useTexts } from "./speech.ts";

/** What browsers add to a request, where no script can see it (Fetch, "forbidden request-header"). */
function hiddenNames({ method }: SentRequest, httpVersion: string | undefined): string[] {
  return [
    ...(httpVersion === "h2" ? [] : ["Host", "Connection"]), // HTTP/2 has :authority, and no Connection (RFC 9113, 8.2.2)
    ...["User-Agent", "Accept", "Accept-Encoding", "Accept-Language"],
    ...(isSecureContext ? ["Sec-*"] : []), // sent to trustworthy origins alone (Fetch Metadata, 2)
    ...(method === "GET" ? [] : ["Origin", "Content-Length"]),
  ];
}

export function Wire({ outcome }: { outcome: Outcome }) {
  const texts = useTexts();
  const { request, answer } = outcome;
  return (
    <>
      <p>{texts.wireIntro}</p>
      <div class="exchange">
        {request && <Request outcome={outcome} request={request} />}
        {answer ? (
          <Answer outcome={outcome} answer={answer} />
        ) : (
          <article aria-label={texts.answer}>
            <h3>{texts.answer}</h3>
            <p class="note">{texts.noAnswer}</p>
          </article>
        )}
      </div>
    </>
  );
}

function Request({ outcome, request }: { outcome: Outcome; request: SentRequest }) {
  const texts = useTexts();
  const { target, body } = requestParts(outcome, request);
  const hasQuery = request.target.includes("?");
  return (
    <article aria-label={texts.request}>
      <h3>{texts.request}</h3>
      {hasQuery ? (
        <>
          <p class="start">{request.method}</p>
          <Bytes label={texts.target} bytes={new TextEncoder().encode(request.target)} parts={target} isText />
        </>
      ) : (
        <p class="start">
          {request.method} {request.target}
        </p>
      )}
      <Headers headers={request.headers}>
        <div class="hidden">
          <dt>{hiddenNames(request, outcome.answer?.httpVersion).join(", ")}</dt>
          <dd>{texts.headersHidden}</dd>
        </div>
      </Headers>
      {request.body.length > 0 ? (
        <>
          <h4>{texts.body(request.body.length)}</h4>
          <Bytes label={`${texts.request}: ${texts.body(request.body.length)}`} bytes={request.body} parts={body} />
        </>
      ) : (
        <p class="note">{hasQuery ? texts.noBodyOfGet : texts.noBody}</p>
      )}
    </article>
  );
}

function Answer({ outcome, answer }: { outcome: Outcome; answer: ReceivedAnswer }) {
  const texts = useTexts();
  const { status, statusText, headers, body, isDecoded, httpVersion, delivery } = answer;
  return (
    <article aria-label={texts.answer}>
      <h3>{texts.answer}</h3>
      <p class="start">
        {[nameOf(httpVersion), status, statusText].filter(Boolean).join(" ")}
        {delivery !== "whole" && <span class="note"> {texts.delivered[delivery]}</span>}
      </p>
      <Headers headers={headers} />
      {body.length > 0 ? (
        <>
          <h4>{texts.body(body.length)}</h4>
          {isDecoded && <p class="note">{texts.decoded}</p>}
          {outcome.protocol === "connect-binary" && status !== 200 && <p class="note">{texts.errorInJson}</p>}
          <Bytes
            label={`${texts.answer}: ${texts.body(body.length)}`}
            bytes={body}
            parts={answerParts(outcome, answer)}
          />
        </>
      ) : (
        <p class="note">{texts.noBody}</p>
      )}
      {outcome.protocol === "grpc-web" && <p class="note">{texts.trailersHidden}</p>}
    </article>
  );
}

function Headers({ headers, children }: { headers: readonly Header[]; children?: preact.ComponentChildren }) {
  const texts = useTexts();
  return (
    <>
      <h4>{texts.headers}</h4>
      <dl class="headers">
        {headers.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        {children}
      </dl>
    </>
  );
}
