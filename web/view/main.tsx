/** The main part of the page: the form of a method's call, the result, its bytes and sizes, and text to paste. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { useEffect, useMemo } from "preact/hooks";
import { benchmark } from "../benchmark.ts";
import { isStream, type UnaryOutcome } from "../call/call.ts";
import { type Draft, maximumDraft } from "../call/draft.ts";
import { type InputResult, readDraft } from "../call/read-draft.ts";
import { CallForm } from "./call-form.tsx";
import { useCalls } from "./calls.ts";
import { Comparison } from "./comparison.tsx";
import { Exchange } from "./exchange.tsx";
import { isTutorial } from "./header.tsx";
import { type Language, useTexts } from "./language.ts";
import type { Request } from "./request.ts";
import { Result } from "./result.tsx";
import { useSchema } from "./schema.ts";
import { SizeTable } from "./size-table.tsx";
import { Snippets } from "./snippets.tsx";

const NO_PROBLEMS = new Map();

export function Main({ request, language }: { request: Request; language: Language }) {
  const texts = useTexts();
  const { registry } = useSchema();
  const { linkProblem, draft, setDraft, protocol, setProtocol } = request;
  const method = request.method as DescMethodUnary;
  const { outcomes, isCalling, make, stop, discard } = useCalls();
  useEffect(discard, [method]);
  const [outcome] = outcomes;
  const input = useMemo(() => readDraft(method.input, draft, registry), [method, draft, registry]);
  const maxima = maximumDraft(method.input, draft);
  // Large views are rendered only when an outcome or the language changes, not after each key press.
  const exchange = useMemo(() => outcome?.request && <Exchange outcome={outcome} />, [outcome]);
  const sizes = useMemo(
    () => <SizeTable outcomes={outcomes.filter((each): each is UnaryOutcome => !isStream(each))} />,
    [outcomes],
  );

  function call(read: InputResult, isTruncated = false): void {
    if ("message" in read)
      void make({ protocol, method, input: read.message, headers: [], timeoutMs: undefined, isTruncated });
  }

  function callMaximum(maxima: Draft): void {
    setDraft(maxima);
    call(readDraft(method.input, maxima, registry));
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
        <CallForm
          {...{ method, draft, setDraft, protocol }}
          problems={"problems" in input ? input.problems : NO_PROBLEMS}
          chooseProtocol={setProtocol}
          call={() => call(input)}
          callMaximum={maxima && (() => callMaximum(maxima))}
          callTruncated={() => call(input, true)}
        />
        <Result {...{ outcome, isCalling, stop }} />
      </section>
      <section aria-labelledby="exchange">
        <h2 id="exchange">{texts.exchangeHeading}</h2>
        {exchange ?? <p class="pending">{texts.nothingYet}</p>}
      </section>
      <section aria-labelledby="sizes">
        <h2 id="sizes">{texts.sizesHeading}</h2>
        {sizes}
      </section>
      {"message" in input && (
        <section aria-labelledby="snippets">
          <h2 id="snippets">{texts.snippetsHeading}</h2>
          <Snippets method={method} input={input.message} />
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
