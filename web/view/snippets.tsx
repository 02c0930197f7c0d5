/** Shows the same call as text to paste for the chosen tool or language, with a button that copies it. */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { useMemo, useState } from "preact/hooks";
import { createSnippets, type Snippet } from "../call/snippets.ts";
import { useTexts } from "./language.ts";
import type { Metadata } from "./metadata.ts";
import { useSchema } from "./schema.ts";
import { readSession, writeSession } from "./session.ts";

const STORAGE_KEY = "tool";

export interface SnippetsProps {
  readonly method: DescMethod;
  readonly input: Message;
  readonly metadata: Metadata;
}

export function Snippets({ method, input, metadata: { headers, timeoutMs } }: SnippetsProps) {
  const texts = useTexts();
  const { registry } = useSchema();
  const scheme = location.protocol === "https:" ? "https" : "http";
  // Not made again while the messages of a stream arrive.
  const snippets = useMemo(() => {
    const address = { scheme, authority: location.host } as const;
    return createSnippets(method, [input], address, { headers, timeoutMs, registry });
  }, [method, input, scheme, headers, timeoutMs, registry]);
  const [chosen, setChosen] = useState(() => readSession(STORAGE_KEY));
  const shown = snippets.find(({ name }) => name === chosen) ?? (snippets[0] as Snippet);

  function choose(name: Snippet["name"]): void {
    writeSession(STORAGE_KEY, name);
    setChosen(name);
  }

  return (
    <>
      <p>{texts.snippetsIntro}</p>
      {scheme === "https" && <p class="note">{texts.snippetsOverTls}</p>}
      <fieldset class="snippets">
        <legend class="unseen">{texts.toolLabel}</legend>
        <div class="choices">
          {snippets.map(({ name }) => (
            <label key={name}>
              <input type="radio" name="tool" checked={name === shown.name} onChange={() => choose(name)} />
              {name}
            </label>
          ))}
        </div>
        <SnippetView key={shown.name} {...shown} isStream={method.methodKind !== "unary"} />
      </fieldset>
    </>
  );
}

function SnippetView({ name, text, isStream }: Snippet & { readonly isStream: boolean }) {
  const texts = useTexts();
  /** The text that the newest click tried to copy, and the outcome. */
  const [tried, setTried] = useState<{ readonly text: string; readonly outcome: "copied" | "notCopied" }>();
  const outcome = tried?.text === text ? tried.outcome : undefined;
  const notes: Partial<Record<Snippet["name"], string>> = {
    "buf curl": texts.repositoryNote,
    ...(isStream && { curl: texts.curlStreamNote }),
    Python: texts.pythonNote,
    TypeScript: texts.typescriptNote,
  };
  const note = notes[name];
  return (
    <figure>
      <figcaption>
        <span class="note">{note}</span>
        {/* Browsers have a clipboard only on pages that came over TLS or from loopback. */}
        {navigator.clipboard && (
          <button
            type="button"
            aria-label={`${texts[outcome ?? "copy"]}: ${name}`}
            onClick={() =>
              void navigator.clipboard.writeText(text).then(
                () => setTried({ text, outcome: "copied" }),
                () => setTried({ text, outcome: "notCopied" }), // forbidden by the user or the browser
              )
            }
          >
            {texts[outcome ?? "copy"]}
          </button>
        )}
      </figcaption>
      <p class="unseen" role="status">
        {outcome && `${texts[outcome]}: ${name}`}
      </p>
      <pre>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
