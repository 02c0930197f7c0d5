/** Makes the calls of the page, from its input, metadata and protocol, and adds them to the history. */
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { useMemo } from "preact/hooks";
import { type Call, errorOf } from "../call/call.ts";
import { type Draft, maximumDraft } from "../call/draft.ts";
import { isCallable, procedureOf } from "../call/methods.ts";
import { type InputResult, readDraft } from "../call/read-draft.ts";
import type { Calls } from "./calls.ts";
import type { History } from "./history.ts";
import type { Metadata } from "./metadata.ts";
import type { Request } from "./request.ts";
import { useSchema } from "./schema.ts";

export interface Caller {
  readonly input: InputResult;
  /** False if the method cannot be called by a browser, or the input or the metadata is invalid. */
  readonly canCall: boolean;
  /** Does nothing if the method cannot be called. */
  readonly call: () => void;
  /** Calls with the maximum in each integer field. Undefined if no field can get its maximum. */
  readonly callMaximum: (() => void) | undefined;
  /** Calls with the encoded message truncated. */
  readonly callTruncated: () => void;
}

/** Returns the same object until the request or the metadata changes. */
export function useCaller(request: Request, metadata: Metadata, { make }: Calls, { add }: History): Caller {
  const { registry } = useSchema();
  const { method, draft, setDraft, protocol } = request;
  const { typed, headers, timeoutMs, isValid } = metadata;
  const input = useMemo(() => readDraft(method.input, draft, registry), [method, draft, registry]);
  const maximum = useMemo(() => maximumDraft(method.input, draft), [method, draft]);

  async function call(draft: Draft, read: InputResult, isTruncated: boolean): Promise<void> {
    if (!("message" in read) || !isCallable(method) || !isValid) return;
    const time = Date.now();
    const outcome = await make({ protocol, method, input: read.message, headers, timeoutMs, isTruncated } as Call);
    if (isTruncated) return;
    const error = errorOf(outcome);
    add({
      procedure: procedureOf(method),
      input: draft.text,
      protocol,
      metadata: typed,
      time,
      code: error === undefined ? "ok" : codeToString(error.code),
      milliseconds: outcome.milliseconds,
    });
  }

  return useMemo(
    () => ({
      input,
      canCall: "message" in input && isCallable(method) && isValid,
      call: () => void call(draft, input, false),
      callMaximum:
        maximum &&
        (() => {
          setDraft(maximum);
          void call(maximum, readDraft(method.input, maximum, registry), false);
        }),
      callTruncated: () => void call(draft, input, true),
    }),
    [request, metadata, input, maximum],
  );
}
