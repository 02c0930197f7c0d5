/** The page: its state, and what stands where. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { makeCall, type Outcome } from "../call/call.ts";
import { methods } from "../call/contract.ts";
import { exampleTexts, greatestTexts, type Reading, readInput, type Texts as Typed } from "../call/input.ts";
import { isOffered, isSafe, PROTOCOLS, type Protocol } from "../call/protocol.ts";
import { CallForm } from "./call-form.tsx";
import { Comparison } from "./comparison.tsx";
import { keepLanguage, LANGUAGES, type Language, preferredLanguage } from "./language.ts";
import { Lines } from "./lines.tsx";
import { Result } from "./result.tsx";
import { SizeTable } from "./size-table.tsx";
import { Speech, TEXTS } from "./speech.ts";
import { Wire } from "./wire.tsx";

function Page({ first }: { first: DescMethodUnary }) {
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  const [method, setMethod] = useState(first);
  const [typed, setTyped] = useState<Typed>(() => exampleTexts(first.input));
  const [protocol, setProtocol] = useState<Protocol>("connect-json");
  /** Of the same call, in the chosen protocol first. */
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const [isCalling, setCalling] = useState(false);
  const newest = useRef(0);
  const [outcome] = outcomes;
  const texts = TEXTS[language];
  // Made again with what they show alone: it can be large, and a key that is pressed does not change it.
  const wire = useMemo(() => outcome?.request && <Wire outcome={outcome} />, [outcome]);
  const sizes = useMemo(() => <SizeTable outcomes={outcomes} />, [outcomes]);
  const reading = useMemo(() => readInput(method.input, typed), [method, typed]);
  const greatest = greatestTexts(method.input, typed);

  useEffect(() => {
    document.documentElement.lang = language;
    document.title = texts.title;
  }, [language]);

  /** Calls in the chosen protocol; then, where that does no harm, in the others, for their sizes. */
  async function call(input: Reading, isShortened: boolean): Promise<void> {
    if ("problems" in input) return;
    newest.current += 1;
    const own = newest.current;
    const callIn = (each: Protocol) =>
      makeCall({ protocol: each, method, input: input.message, isShortened }, location.origin);
    setCalling(true);
    const result = await callIn(protocol);
    if (own !== newest.current) return;
    setCalling(false);
    setOutcomes([result]);
    if (result.answer === undefined || !isSafe(method)) return;
    const others = await Promise.all(PROTOCOLS.filter((each) => each !== protocol).map(callIn));
    if (own === newest.current) setOutcomes([result, ...others]);
  }

  function chooseMethod(chosen: DescMethodUnary): void {
    newest.current += 1;
    setCalling(false);
    setMethod(chosen);
    setTyped(exampleTexts(chosen.input));
    setOutcomes([]);
    if (!isOffered(protocol, chosen)) setProtocol("connect-json");
  }

  function chooseLanguage(chosen: Language): void {
    setLanguage(chosen);
    keepLanguage(chosen);
  }

  return (
    <Speech.Provider value={texts}>
      <header>
        <fieldset class="languages">
          <legend class="unseen">{texts.languageLabel}</legend>
          {(Object.keys(LANGUAGES) as Language[]).map((each) => (
            <button
              key={each}
              type="button"
              lang={each}
              aria-pressed={each === language}
              onClick={() => chooseLanguage(each)}
            >
              {LANGUAGES[each]}
            </button>
          ))}
        </fieldset>
        <h1>{texts.title}</h1>
        <p class="lead">{texts.lead}</p>
      </header>
      <main>
        <section aria-labelledby="call">
          <h2 id="call" class="unseen">
            {texts.callHeading}
          </h2>
          <CallForm
            method={method}
            chooseMethod={chooseMethod}
            typed={typed}
            type={setTyped}
            problems={"problems" in reading ? reading.problems : new Map()}
            protocol={protocol}
            chooseProtocol={setProtocol}
            call={() => void call(reading, false)}
            callGreatest={
              greatest &&
              (() => {
                setTyped(greatest);
                void call(readInput(method.input, greatest), false);
              })
            }
            callShortened={() => void call(reading, true)}
          />
          <Result outcome={outcome} isCalling={isCalling} />
        </section>
        <section aria-labelledby="wire">
          <h2 id="wire">{texts.wireHeading}</h2>
          {wire ?? <p class="pending">{texts.nothingYet}</p>}
        </section>
        <section aria-labelledby="sizes">
          <h2 id="sizes">{texts.sizesHeading}</h2>
          {sizes}
        </section>
        {"message" in reading && (
          <section aria-labelledby="lines">
            <h2 id="lines">{texts.linesHeading}</h2>
            <Lines method={method} input={reading.message} />
          </section>
        )}
        <section aria-labelledby="cost">
          <h2 id="cost">{texts.costHeading}</h2>
          <Comparison contract={`${method.parent.file.name}.proto`} language={language} />
        </section>
      </main>
      <footer>{texts.footer}</footer>
    </Speech.Provider>
  );
}

function NoPage() {
  const language = preferredLanguage();
  return (
    <main lang={language} class="pending">
      {TEXTS[language].noMethod}
    </main>
  );
}

const [first] = methods;
render(first === undefined ? <NoPage /> : <Page first={first} />, document.body);
