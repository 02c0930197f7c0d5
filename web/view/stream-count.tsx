/** Shows how much of a stream has arrived. Screen readers hear the counts from time to time, and not each message. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { StreamOutcome } from "../call/call.ts";
import { useTexts } from "./language.ts";

/** The time between two announcements of the counts. */
const ANNOUNCE_MS = 3_000;

export function StreamCount({ outcome: { stream, isOver } }: { outcome: StreamOutcome }) {
  const texts = useTexts();
  const { messages, bytes } = stream.total;
  const announced = useThrottled(stream.total, ANNOUNCE_MS);
  if (isOver) return <p class="response">{texts.received(messages, bytes)}</p>;
  return (
    <>
      <p class="response" aria-hidden="true">
        {texts.receivedSoFar(messages, bytes)}
      </p>
      <p class="unseen">{texts.receivedSoFar(announced.messages, announced.bytes)}</p>
    </>
  );
}

/** Returns the value, or for up to `ms` an older one, so that the result does not change more often. */
function useThrottled<T>(value: T, ms: number): T {
  const [shown, setShown] = useState(value);
  const newest = useRef(value);
  newest.current = value;
  useEffect(() => {
    const timer = setInterval(() => setShown(newest.current), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return shown;
}
