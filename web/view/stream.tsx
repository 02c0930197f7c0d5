/** The messages of a stream: a row for each, which opens to its bytes, and the end of the stream. */
import { Component } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StreamOutcome } from "../call/call.ts";
import { readEnvelope } from "../call/envelope.ts";
import { envelopeParts } from "../call/parts.ts";
import type { ReceivedEnvelope } from "../call/stream-recorder.ts";
import { Bytes } from "./bytes.tsx";
import { formatMessage, formatMilliseconds, shorten } from "./format.ts";
import { useTexts } from "./language.ts";
import { useSchema } from "./schema.ts";
import { LINE_CHARACTERS, Whole } from "./whole.tsx";

/** Limits the characters that are shown of a message in its row. */
const MAX_CHARACTERS = 300;

export function Stream({ outcome }: { outcome: StreamOutcome }) {
  const texts = useTexts();
  const { stream, isOver } = outcome;
  const { total, end, rest } = stream;
  return (
    <>
      <h4>{texts.messages(total.messages)}</h4>
      {total.messages > 0 && <MessageList outcome={outcome} />}
      {end && (
        <>
          <h4>{texts.endOfStream}</h4>
          <Bytes label={texts.endOfStream} bytes={end.bytes} parts={envelopeParts(outcome, end)} />
        </>
      )}
      {isOver && rest.length > 0 && (
        <>
          <h4>{texts.restOfStream}</h4>
          <Bytes
            label={texts.restOfStream}
            bytes={rest}
            parts={envelopeParts(outcome, { number: 0, milliseconds: 0, bytes: rest })}
          />
        </>
      )}
    </>
  );
}

/**
 * The rows of the messages. Arrow keys move between them, so that Tab leaves the list after one. The newest message stays
 * visible until the user scrolls up.
 */
function MessageList({ outcome }: { outcome: StreamOutcome }) {
  const texts = useTexts();
  const { first, omitted, newest } = outcome.stream;
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  /** The number of the message that Tab reaches. */
  const [tabStop, setTabStop] = useState(1);
  const all = [...first, ...newest];
  const reachable = all.some(({ number }) => number === tabStop) ? tabStop : all[0]?.number;
  useLayoutEffect(() => {
    if (isAtEnd.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [outcome.stream.total.messages]);

  function onScroll(): void {
    if (list.current === null) return;
    const { scrollTop, scrollHeight, clientHeight } = list.current;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - 4; // browsers round these to whole pixels
  }

  function onKeyDown(event: KeyboardEvent): void {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>("summary") ?? [])];
    const index = rows.indexOf(event.target as HTMLElement);
    const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (index < 0 || next === undefined) return;
    event.preventDefault();
    rows[Math.min(Math.max(next, 0), rows.length - 1)]?.focus();
  }

  function onFocusIn({ target }: FocusEvent): void {
    const { number } = (target as HTMLElement).dataset;
    if (number !== undefined) setTabStop(Number(number));
  }

  const rowOf = (envelope: ReceivedEnvelope) => (
    <Row key={envelope.number} {...{ outcome, envelope }} isTabStop={envelope.number === reachable} />
  );
  return (
    <ol class="messages" ref={list} {...{ onScroll, onKeyDown, onFocusIn }}>
      {first.map(rowOf)}
      {omitted.messages > 0 && <li class="note">{texts.omitted(omitted.messages, omitted.bytes)}</li>}
      {newest.map(rowOf)}
    </ol>
  );
}

interface RowProps {
  readonly outcome: StreamOutcome;
  readonly envelope: ReceivedEnvelope;
  readonly isTabStop: boolean;
}

/** Renders a message only once while further ones arrive: there can be hundreds of rows. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate({ envelope, isTabStop }: RowProps): boolean {
    return envelope !== this.props.envelope || isTabStop !== this.props.isTabStop;
  }

  override render(props: RowProps) {
    return <Message {...props} />;
  }
}

function Message({ outcome, envelope, isTabStop }: RowProps) {
  const texts = useTexts();
  const { registry } = useSchema();
  const [isOpen, setOpen] = useState(false);
  const { number, milliseconds, bytes } = envelope;
  const message = useMemo(() => readEnvelope(outcome, envelope, registry), [envelope, registry]);
  const { output } = outcome.method;
  const line = message instanceof Error ? message.message : formatMessage(output, message, registry);
  return (
    <li>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary tabIndex={isTabStop ? 0 : -1} data-number={number}>
          <span class="number">{number}</span>{" "}
          {message instanceof Error ? (
            <span class="line error" lang="en">
              {shorten(line, MAX_CHARACTERS)}
            </span>
          ) : (
            <span class="line">{shorten(line, MAX_CHARACTERS) || texts.emptyResponse}</span>
          )}{" "}
          <span class="note">{formatMilliseconds(milliseconds)} ms</span>{" "}
          <span class="note">{texts.bytes(bytes.length)}</span>
        </summary>
        {isOpen && !(message instanceof Error) && line.length > LINE_CHARACTERS && (
          <Whole label={texts.wholeMessage(number)} desc={output} message={message} />
        )}
        {isOpen && <Bytes label={texts.messageLabel(number)} bytes={bytes} parts={envelopeParts(outcome, envelope)} />}
      </details>
    </li>
  );
}
