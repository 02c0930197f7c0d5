/** The head of the page: the choice of a language, a title, and a text about the service. */
import type { DescService } from "@bufbuild/protobuf";
import { Comment } from "./comment.tsx";
import { LANGUAGES, type Language, useTexts } from "./language.ts";
import { Name } from "./name.tsx";
import { useSchema } from "./schema.ts";

/** The service of the tutorial, for which the page has texts and figures of its own. */
const TUTORIAL = "test.Test";

export function isTutorial({ typeName }: DescService): boolean {
  return typeName === TUTORIAL;
}

export interface HeaderProps {
  readonly service: DescService;
  readonly language: Language;
  readonly chooseLanguage: (language: Language) => void;
}

export function Header({ service, language, chooseLanguage }: HeaderProps) {
  const texts = useTexts();
  const { comments } = useSchema();
  const { name, typeName } = service;
  return (
    <header>
      <LanguageChoice language={language} choose={chooseLanguage} />
      {isTutorial(service) ? (
        <>
          <h1>{texts.title}</h1>
          <p class="lead">{texts.lead}</p>
        </>
      ) : (
        <>
          <h1>
            <span class="package">
              <Name text={typeName.slice(0, -name.length)} />
            </span>
            <Name text={name} />
          </h1>
          <Comment text={comments.get(typeName)} />
          <p class="lead">{texts.generalLead}</p>
        </>
      )}
    </header>
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
