/** Compares the sizes of a call in each protocol, and in gRPC itself. */
import { frameParts } from "../annotate/frames.ts";
import { messageParts } from "../annotate/message.ts";
import type { UnaryOutcome } from "../call/call.ts";
import { PROTOCOL_NAMES, PROTOCOLS } from "../call/protocol.ts";
import type { ReceivedResponse } from "../call/recorder.ts";
import { grpcFrame, grpcSizes, requestSize, responseSize, type Size } from "../call/sizes.ts";
import { Bytes } from "./bytes.tsx";
import { useTexts } from "./language.ts";

interface Row {
  readonly name: string;
  readonly request: Size;
  readonly response: Size;
  /** The measured response; undefined for gRPC, whose sizes are calculated. */
  readonly received: ReceivedResponse | undefined;
}

/** Shows a row for each outcome that has a response, and a row for gRPC. */
export function SizeTable({ outcomes }: { outcomes: readonly UnaryOutcome[] }) {
  const texts = useTexts();
  const rows = rowsOf(outcomes);
  const [first] = outcomes;
  if (first === undefined) return <p class="pending">{texts.sizesPending}</p>;
  if (rows.length === 0) return <p class="pending">{texts.noSizes}</p>;
  const most = Math.max(
    ...rows.flatMap(({ request, response }) => [request, response].map(({ message, framing }) => message + framing)),
  );
  const frame = grpcFrame(first);
  return (
    <>
      <p>{texts.sizesIntro}</p>
      <table class="sizes">
        <thead>
          <tr>
            <th scope="col">{texts.protocol}</th>
            <th scope="col">{texts.request}</th>
            <th scope="col">{texts.response}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, request, response, received }) => (
            <tr key={name} class={received === undefined ? "calculated" : undefined}>
              <th scope="row">
                {name}
                {received && received.delivery !== "network" && <span class="note"> {texts.sizeOfCopy}</span>}
                {received?.isDecoded && <span class="note"> {texts.sizeDecoded}</span>}
              </th>
              <SizeCell size={request} most={most} />
              <SizeCell size={response} most={most} />
            </tr>
          ))}
        </tbody>
      </table>
      <p class="legend">
        <span class="message">{texts.message}</span> <span class="framing">{texts.framing}</span>
      </p>
      <p class="note">{texts.grpcNote}</p>
      <h3>{texts.grpcFrame}</h3>
      <Bytes
        label={texts.grpcFrame}
        bytes={frame}
        parts={frameParts(frame, (content) => messageParts(content, first.method.input))}
      />
    </>
  );
}

function SizeCell({ size: { message, framing }, most }: { size: Size; most: number }) {
  const texts = useTexts();
  const share = (bytes: number) => `${(100 * bytes) / most}%`;
  return (
    <td>
      <span class="count" title={texts.sizeOf(message, framing)}>
        {message + framing}
      </span>
      <span class="unseen"> ({texts.sizeOf(message, framing)})</span>
      <span class="bar" aria-hidden="true">
        <span class="message" style={{ width: share(message) }} />
        <span class="framing" style={{ width: share(framing) }} />
      </span>
    </td>
  );
}

function rowsOf(outcomes: readonly UnaryOutcome[]): Row[] {
  const measured = PROTOCOLS.flatMap((protocol): Row[] => {
    const outcome = outcomes.find((each) => each.protocol === protocol);
    if (outcome?.request === undefined || outcome.response === undefined) return [];
    const request = requestSize(outcome, outcome.request);
    const response = responseSize(outcome, outcome.response);
    return [{ name: PROTOCOL_NAMES[protocol], request, response, received: outcome.response }];
  });
  const [first] = outcomes;
  if (first === undefined || measured.length === 0) return [];
  return [...measured, { name: "gRPC", ...grpcSizes(first), received: undefined }];
}
