/** The page: a method, a form for its call, the result, its bytes and sizes, and the same call as text to paste. */
import type { DescMethod } from "@bufbuild/protobuf";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { firstMethod } from "../call/methods.ts";
import type { Schema } from "../call/schema.ts";
import { Header, isTutorial } from "./header.tsx";
import { type Language, preferredLanguage, storeLanguage, TEXTS, TextsContext } from "./language.ts";
import { Loading } from "./loading.tsx";
import { Main } from "./main.tsx";
import { MethodList } from "./method-list.tsx";
import { useRequest } from "./request.ts";
import { useSchema } from "./schema.ts";

function Page({ first }: { first: DescMethod }) {
  const { services } = useSchema();
  const [language, setLanguage] = useState<Language>(preferredLanguage);
  const request = useRequest(services, first);
  const service = request.method.parent;
  const texts = TEXTS[language];
  const hasList = services.flatMap(({ methods }) => methods).length > 1;
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = isTutorial(service) ? texts.title : service.name;
  }, [language, service]);

  function chooseLanguage(chosen: Language): void {
    setLanguage(chosen);
    storeLanguage(chosen);
  }

  return (
    <TextsContext.Provider value={texts}>
      <Header {...{ service, language, chooseLanguage }} />
      <div class={hasList ? "with-list" : undefined}>
        {hasList && <MethodList services={services} chosen={request.method} />}
        <Main request={request} language={language} />
      </div>
      <footer>{texts.footer}</footer>
    </TextsContext.Provider>
  );
}

/** Replaces the page if the server does not have a method of its own. */
function NoMethod() {
  const language = preferredLanguage();
  return (
    <main lang={language} class="pending">
      {TEXTS[language].noMethod}
    </main>
  );
}

function pageOf({ services }: Schema) {
  const first = firstMethod(services);
  return first === undefined ? <NoMethod /> : <Page first={first} />;
}

render(<Loading>{pageOf}</Loading>, document.body);
