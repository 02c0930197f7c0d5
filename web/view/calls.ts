/** The state of the page's calls: the outcomes of the newest call, at most one for each protocol. */
import { useRef, useState } from "preact/hooks";
import { type Call, makeCall, type Outcome } from "../call/call.ts";
import { isSafe, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import { useSchema } from "./schema.ts";

export interface Calls {
  /** The outcomes of the newest call. The first one is in the chosen protocol. */
  readonly outcomes: readonly Outcome[];
  readonly isCalling: boolean;
  /** Makes the call. If its method is safe and a response came, makes it in the other protocols too, for their sizes. */
  readonly make: (call: Call) => Promise<void>;
  /** Discards the outcomes, and the later outcomes of a call that is in flight. */
  readonly discard: () => void;
}

export function useCalls(): Calls {
  const { registry } = useSchema();
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [isCalling, setCalling] = useState(false);
  /** The number of the newest call or discard. Outcomes of older calls are ignored. */
  const newest = useRef(0);

  async function make(call: Call): Promise<void> {
    newest.current += 1;
    const number = newest.current;
    const makeIn = (protocol: Protocol) => makeCall({ ...call, protocol }, location.origin, { registry });
    setCalling(true);
    const outcome = await makeIn(call.protocol);
    if (number !== newest.current) return;
    setCalling(false);
    setOutcomes([outcome]);
    if (outcome.response === undefined || !isSafe(call.method)) return;
    const others = await Promise.all(PROTOCOLS.filter((each) => each !== call.protocol).map(makeIn));
    if (number === newest.current) setOutcomes([outcome, ...others]);
  }

  function discard(): void {
    newest.current += 1;
    setCalling(false);
    setOutcomes([]);
  }

  return { outcomes, isCalling, make, discard };
}
