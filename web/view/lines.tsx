/** The same call as lines to paste, each with a button that copies it. */
import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { createSnippets, type Snippet } from "../call/snippets.ts";
import { useTexts } from "./speech.ts";

export function Lines({ method, input }: { method: DescMethodUnary; input: Message }) {
  const texts = useTexts();
  const scheme = location.protocol === "https:" ? "https" : "http";
  const address = { scheme, authority: location.host } as const;
  return (
    <>
      <p>{texts.linesIntro}</p>
      {scheme === "https" && <p class="note">{texts.linesOverTls}</p>}
      <div class="lines">
        {createSnippets(method, input, address).map((snippet) => (
          <Line key={snippet.name} {...snippet} />
        ))}
      </div>
    </>
  );
}

function Line({ name, text }: Snippet) {
  const texts = useTexts();
  /** What was copied or not, and as which it is told. */
  const [tried, setTried] = useState<{ readonly text: string; readonly outcome: "copied" | "notCopied" }>();
  const outcome = tried?.text === text ? tried.outcome : undefined;
  const notes: Partial<Record<Snippet["name"], string>> = {
    "buf curl": texts.repositoryNote,
    Python: texts.pythonNote,
    TypeScript: texts.typescriptNote,
  };
  const note = notes[name];
  return (
    <figure class={text.includes("\n") ? "program" : undefined}>
      <figcaption>
        <span>
          <b>{name}</b> {note && <span class="note">{note}</span>}
        </span>
        {/* Pages that did not come over TLS, or from this machine, have no clipboard. */}
        {navigator.clipboard && (
          <button
            type="button"
            aria-label={`${texts[outcome ?? "copy"]}: ${name}`}
            onClick={() =>
              void navigator.clipboard.writeText(text).then(
                () => setTried({ text, outcome: "copied" }),
                () => setTried({ text, outcome: "notCopied" }), // the person, or the browser for them, forbade it
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
