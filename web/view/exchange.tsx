/** Shows a request and its response, as they were recorded. */
import { useMemo } from "preact/hooks";
import { isStream, isUnanswered, type Outcome } from "../call/call.ts";
import { requestParts, responseParts } from "../call/parts.ts";
import type { Header, ReceivedResponse, SentRequest } from "../call/recorder.ts";
import { Bytes } from "./bytes.tsx";
import { formatHttpVersion } from "./format.ts";
import { useTexts } from "./language.ts";
import { Stream } from "./stream.tsx";

/** Returns the names of headers that browsers add to a request without showing them to scripts (Fetch). */
function hiddenHeaders({ method }: SentRequest, httpVersion: string | undefined): string[] {
  return [
    ...(httpVersion === "h2" ? [] : ["Host", "Connection"]), // HTTP/2 has :authority instead, and forbids Connection (RFC 9113, 8.2.2)
    ...["User-Agent", "Accept", "Accept-Encoding", "Accept-Language"],
    ...(isSecureContext ? ["Sec-*"] : []), // sent only to trustworthy origins (Fetch Metadata, 2)
    ...(method === "GET" ? [] : ["Origin", "Content-Length"]),
  ];
}

export function Exchange({ outcome }: { outcome: Outcome }) {
  const texts = useTexts();
  const { request, response } = outcome;
  // The request stays the same while the messages of a stream arrive.
  const sent = useMemo(
    () => request && <RequestView outcome={outcome} request={request} />,
    [request, response?.httpVersion],
  );
  return (
    <>
      <p>{texts.exchangeIntro}</p>
      <div class="exchange">
        {sent}
        {response ? (
          <ResponseView outcome={outcome} response={response} />
        ) : (
          <article aria-label={texts.response}>
            <h3>{texts.response}</h3>
            <p class="note">{isUnanswered(outcome) ? texts.noResponse : texts.endedBefore}</p>
          </article>
        )}
      </div>
    </>
  );
}

function RequestView({ outcome, request }: { outcome: Outcome; request: SentRequest }) {
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
          <dt>{hiddenHeaders(request, outcome.response?.httpVersion).join(", ")}</dt>
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

function ResponseView({ outcome, response }: { outcome: Outcome; response: ReceivedResponse }) {
  const texts = useTexts();
  const { status, statusText, headers, body, isDecoded, httpVersion, delivery } = response;
  return (
    <article aria-label={texts.response}>
      <h3>{texts.response}</h3>
      <p class="start">
        {[formatHttpVersion(httpVersion), status, statusText].filter(Boolean).join(" ")}
        {delivery !== "network" && <span class="note"> {texts.delivered[delivery]}</span>}
      </p>
      <Headers headers={headers} />
      {body.length > 0 ? (
        <>
          <h4>{texts.body(body.length)}</h4>
          {isDecoded && <p class="note">{texts.decoded}</p>}
          {outcome.protocol === "connect-binary" && !isStream(outcome) && status !== 200 && (
            <p class="note">{texts.errorInJson}</p>
          )}
          <Bytes
            label={`${texts.response}: ${texts.body(body.length)}`}
            bytes={body}
            parts={responseParts(outcome, response)}
          />
        </>
      ) : isStream(outcome) ? (
        <Stream key={outcome.request} outcome={outcome} />
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
