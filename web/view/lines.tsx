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
  const [copied, setCopied] = useState<string>();
  const notes: Partial<Record<Snippet["name"], string>> = {
    "buf curl": texts.repositoryNote,
    Python: texts.pythonNote,
    TypeScript: texts.repositoryNote,
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
            aria-label={`${texts.copy}: ${name}`}
            onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(text))}
          >
            {copied === text ? texts.copied : texts.copy}
          </button>
        )}
      </figcaption>
      <pre>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
