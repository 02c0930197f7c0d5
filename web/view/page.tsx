/** The page: a form for a call, its result, its bytes and sizes, and the same call as text to paste. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { exampleValues, type FormValues, type InputResult, maximumValues, readInput } from "../call/input.ts";
import { isOffered, type Protocol } from "../call/protocol.ts";
import type { Schema } from "../call/schema.ts";
import { CallForm } from "./call-form.tsx";
import { useCalls } from "./calls.ts";
import { Comparison } from "./comparison.tsx";
import { Exchange } from "./exchange.tsx";
import {
  LANGUAGES,
  type Language,
  preferredLanguage,
  storeLanguage,
  TEXTS,
  TextsContext,
  useTexts,
} from "./language.ts";
import { Loading } from "./loading.tsx";
import { Result } from "./result.tsx";
import { unaryMethods } from "./schema.ts";
import { SizeTable } from "./size-table.tsx";
import { Snippets } from "./snippets.tsx";

function Page({ first }: { first: DescMethodUnary }) {
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  const texts = TEXTS[language];
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = texts.title;
  }, [language]);

  function choose(chosen: Language): void {
    setLanguage(chosen);
    storeLanguage(chosen);
  }

  return (
    <TextsContext.Provider value={texts}>
      <header>
        <LanguageChoice language={language} choose={choose} />
        <h1>{texts.title}</h1>
        <p class="lead">{texts.lead}</p>
      </header>
      <Main first={first} language={language} />
      <footer>{texts.footer}</footer>
    </TextsContext.Provider>
  );
}

function LanguageChoice({ language, choose }: { language: Language; choose: (chosen: Language) => void }) {
  const texts = useTexts();
  return (
    <fieldset class="languages">
      <legend class="unseen">{texts.languageLabel}</legend>
      {(Object.keys(LANGUAGES) as Language[]).map((each) => (
        <button key={each} type="button" lang={each} aria-pressed={each === language} onClick={() => choose(each)}>
          {LANGUAGES[each]}
        </button>
      ))}
    </fieldset>
  );
}

function Main({ first, language }: { first: DescMethodUnary; language: Language }) {
  const texts = useTexts();
  const [method, setMethod] = useState(first);
  const [values, setValues] = useState<FormValues>(() => exampleValues(first.input));
  const [protocol, setProtocol] = useState<Protocol>("connect-json");
  const { outcomes, isCalling, make, discard } = useCalls();
  const [outcome] = outcomes;
  const input = useMemo(() => readInput(method.input, values), [method, values]);
  const maxima = maximumValues(method.input, values);
  // Large views are rendered only when an outcome or the language changes, not after each key press.
  const exchange = useMemo(() => outcome?.request && <Exchange outcome={outcome} />, [outcome]);
  const sizes = useMemo(() => <SizeTable outcomes={outcomes} />, [outcomes]);

  function call(read: InputResult, isTruncated = false): void {
    if ("message" in read) void make({ protocol, method, input: read.message, isTruncated });
  }

  function callMaximum(maxima: FormValues): void {
    setValues(maxima);
    call(readInput(method.input, maxima));
  }

  function chooseMethod(chosen: DescMethodUnary): void {
    discard();
    setMethod(chosen);
    setValues(exampleValues(chosen.input));
    if (!isOffered(protocol, chosen)) setProtocol("connect-json");
  }

  return (
    <main>
      <section aria-labelledby="call">
        <h2 id="call" class="unseen">
          {texts.callHeading}
        </h2>
        <CallForm
          {...{ method, chooseMethod, values, setValues, protocol }}
          problems={"problems" in input ? input.problems : new Map()}
          chooseProtocol={setProtocol}
          call={() => call(input)}
          callMaximum={maxima && (() => callMaximum(maxima))}
          callTruncated={() => call(input, true)}
        />
        <Result outcome={outcome} isCalling={isCalling} />
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
      <section aria-labelledby="cost">
        <h2 id="cost">{texts.costHeading}</h2>
        <Comparison contract={`${method.parent.file.name}.proto`} language={language} />
      </section>
    </main>
  );
}

/** Replaces the page if the contract does not have a unary method. */
function NoMethod() {
  const language = preferredLanguage();
  return (
    <main lang={language} class="pending">
      {TEXTS[language].noMethod}
    </main>
  );
}

function pageOf(schema: Schema) {
  const [first] = unaryMethods(schema);
  return first === undefined ? <NoMethod /> : <Page first={first} />;
}

render(<Loading>{pageOf}</Loading>, document.body);
