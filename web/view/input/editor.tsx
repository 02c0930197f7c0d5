/** The editor of a draft's JSON, with the problems of its values. */
import { useRef } from "preact/hooks";
import { type Draft, draftOfJson, draftOfText } from "../../call/draft.ts";
import { offsetOf, type Path } from "../../call/json.ts";
import type { Problems } from "../../call/read-draft.ts";
import { useTexts } from "../language.ts";

interface EditorProps {
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
  readonly problems: Problems;
}

export function Editor({ draft, setDraft, problems }: EditorProps) {
  const texts = useTexts();
  const { text, error } = draft;
  const area = useRef<HTMLTextAreaElement>(null);
  const offsetTo = (path: Path) => error?.offset ?? offsetOf(text, path);

  function show(offset: number): void {
    area.current?.focus();
    area.current?.setSelectionRange(offset, offset);
  }

  return (
    <div class="editor">
      <textarea
        ref={area}
        aria-label={texts.input.editor}
        aria-invalid={problems.size > 0}
        aria-describedby={problems.size > 0 ? "editor-problems" : undefined}
        value={text}
        rows={Math.min(Math.max(text.split("\n", MAX_ROWS).length + 1, MIN_ROWS), MAX_ROWS)}
        spellcheck={false}
        onInput={({ currentTarget: { value } }) => setDraft(draftOfText(value, draft))}
      />
      <button type="button" disabled={error !== undefined} onClick={() => setDraft(draftOfJson(draft.json))}>
        {texts.input.format}
      </button>
      {problems.size > 0 && (
        <ul id="editor-problems" class="problems">
          {[...problems].slice(0, MAX_LISTED).map(([name, { message, path }]) => (
            <li key={name}>
              <button type="button" class="place" onClick={() => show(offsetTo(path))}>
                {texts.input.line(text.slice(0, offsetTo(path)).split("\n").length)}
              </button>{" "}
              <span lang="en">
                {name !== "" && <code>{name}</code>} {message}
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const MIN_ROWS = 5;
const MAX_ROWS = 28;
/** Limits the problems that are listed. Each is located in the text after each key press. */
const MAX_LISTED = 5;
