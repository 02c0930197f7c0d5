/** The state of the page's calls: the outcomes of the newest call, at most one for each protocol. */
import { useRef, useState } from "preact/hooks";
import { type Call, isStream, makeCall, type Outcome } from "../call/call.ts";
import { isOffered, isSafe, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import { useSchema } from "./schema.ts";

export interface Calls {
  /** The outcomes of the newest call. The first one is in the chosen protocol. That of a stream grows until its end. */
  readonly outcomes: readonly Outcome[];
  readonly isCalling: boolean;
  /**
   * Makes the call. If its method is unary and safe and a response came, makes it in the other protocols too, for their
   * sizes. Resolves with the outcome in the chosen protocol, before the other calls; also if the call was discarded,
   * which ends it.
   */
  readonly make: (call: Call) => Promise<Outcome>;
  /** Ends the call that is in flight, and keeps its outcome. */
  readonly stop: () => void;
  /** Discards the outcomes, and ends the call that is in flight. */
  readonly discard: () => void;
}

export function useCalls(): Calls {
  const { registry } = useSchema();
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [isCalling, setCalling] = useState(false);
  /** Ends the newest call. Outcomes of older calls are ignored. */
  const newest = useRef(new AbortController());

  /** Starts to ignore the call before, and ends it. Returns the controller of the next call. */
  function begin(): AbortController {
    const before = newest.current;
    newest.current = new AbortController();
    before.abort();
    return newest.current;
  }

  async function make(call: Call): Promise<Outcome> {
    const controller = begin();
    const { signal } = controller;
    const isNewest = () => controller === newest.current;
    const progress = oncePerFrame((outcome: Outcome) => {
      if (isNewest()) setOutcomes([outcome]);
    });
    const makeIn = (protocol: Protocol) =>
      makeCall({ ...call, protocol }, location.origin, { registry, signal, onProgress: progress.add });
    setCalling(true);
    const outcome = await makeIn(call.protocol);
    progress.cancel();
    if (!isNewest()) return outcome;
    setCalling(false);
    setOutcomes([outcome]);
    if (!isStream(outcome) && outcome.response !== undefined && isSafe(call.method)) void makeOthers(outcome);
    return outcome;

    async function makeOthers(first: Outcome): Promise<void> {
      const protocols = PROTOCOLS.filter((each) => each !== call.protocol && isOffered(each, call.method));
      const others = await Promise.all(protocols.map(makeIn));
      if (isNewest()) setOutcomes([first, ...others]);
    }
  }

  function discard(): void {
    begin();
    setCalling(false);
    setOutcomes([]);
  }

  return { outcomes, isCalling, make, stop: () => newest.current.abort(), discard };
}

/** Calls `show` before the next frame is drawn, with the newest of the values that were added since the last frame. */
function oncePerFrame<T>(show: (value: T) => void): { add(value: T): void; cancel(): void } {
  let newest: T;
  let frame: number | undefined;
  return {
    add(value) {
      newest = value;
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        show(newest);
      });
    },
    cancel() {
      if (frame !== undefined) cancelAnimationFrame(frame);
    },
  };
}
