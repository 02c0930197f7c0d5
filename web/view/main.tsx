/** The main part of the page: the form of a method's call, the result, its bytes and sizes, and text to paste. */
import { useEffect, useMemo } from "preact/hooks";
import { benchmark } from "../benchmark.ts";
import { isStream, type UnaryOutcome } from "../call/call.ts";
import type { HistoryEntry } from "../call/history.ts";
import { isCallable } from "../call/methods.ts";
import { CallForm } from "./call-form.tsx";
import { useCaller } from "./caller.ts";
import { type Calls, useCalls } from "./calls.ts";
import { Comparison } from "./comparison.tsx";
import { Exchange } from "./exchange.tsx";
import { isTutorial } from "./header.tsx";
import { useHistory } from "./history.ts";
import { HistoryList } from "./history-list.tsx";
import { useKeys } from "./keys.tsx";
import { type Language, useTexts } from "./language.ts";
import { useMetadata } from "./metadata.ts";
import type { Request } from "./request.ts";
import { Result } from "./result.tsx";
import { SizeTable } from "./size-table.tsx";
import { Snippets } from "./snippets.tsx";

export function Main({ request, language }: { request: Request; language: Language }) {
  const texts = useTexts();
  const { method, linkProblem } = request;
  const calls = useCalls();
  const history = useHistory();
  const metadata = useMetadata();
  const caller = useCaller(request, metadata, calls, history);
  // A form has hundreds of controls. It is not rendered while the messages of a stream arrive.
  const form = useMemo(() => <CallForm {...{ request, metadata, caller }} />, [request, metadata, caller]);
  useEffect(calls.discard, [method]);
  useKeys({ call: caller.call, stop: calls.isCalling ? calls.stop : undefined });

  function restore(entry: HistoryEntry): void {
    calls.discard();
    request.restore(entry);
    metadata.setTyped(entry.metadata);
  }

  return (
    <main>
      {linkProblem && (
        <p class="problem" role="alert">
          {texts.linkProblem[linkProblem]}
        </p>
      )}
      <section aria-labelledby="call">
        <h2 id="call" class="unseen">
          {texts.callHeading}
        </h2>
        {form}
        {isCallable(method) && <Result outcome={calls.outcomes[0]} isCalling={calls.isCalling} stop={calls.stop} />}
        <HistoryList {...{ history, restore, language }} />
      </section>
      {isCallable(method) && <Recorded calls={calls} isUnary={method.methodKind === "unary"} />}
      {"message" in caller.input && (
        <section aria-labelledby="snippets">
          <h2 id="snippets">{texts.snippetsHeading}</h2>
          <Snippets method={method} input={caller.input.message} metadata={metadata} />
        </section>
      )}
      {isTutorial(method.parent) && benchmark !== undefined && (
        <section aria-labelledby="cost">
          <h2 id="cost">{texts.costHeading}</h2>
          <Comparison {...{ benchmark, language }} contract={`${method.parent.file.name}.proto`} />
        </section>
      )}
    </main>
  );
}

/** The bytes of the newest call and, for a unary one, its sizes in each protocol. */
function Recorded({ calls: { outcomes }, isUnary }: { calls: Calls; isUnary: boolean }) {
  const texts = useTexts();
  const [outcome] = outcomes;
  // Large views are rendered only when an outcome or the language changes, not after each key press.
  const exchange = useMemo(() => outcome?.request && <Exchange outcome={outcome} />, [outcome]);
  const sizes = useMemo(
    () => <SizeTable outcomes={outcomes.filter((each): each is UnaryOutcome => !isStream(each))} />,
    [outcomes],
  );
  return (
    <>
      <section aria-labelledby="exchange">
        <h2 id="exchange">{texts.exchangeHeading}</h2>
        {exchange ?? <p class="pending">{texts.nothingYet}</p>}
      </section>
      {isUnary && (
        <section aria-labelledby="sizes">
          <h2 id="sizes">{texts.sizesHeading}</h2>
          {sizes}
        </section>
      )}
    </>
  );
}
