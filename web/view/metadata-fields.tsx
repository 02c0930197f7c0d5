/** The fields of request metadata and the deadline, in a section that is folded until the user opens it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { MAX_TIMEOUT_MS, type MetadataRow } from "../call/metadata.ts";
import { useTexts } from "./language.ts";
import type { Metadata } from "./metadata.ts";

export function MetadataFields({ metadata }: { metadata: Metadata }) {
  const { typed, setTyped, headers, timeoutMs, problems, isDeadlineInvalid } = metadata;
  const texts = useTexts();
  const rows = useRows(metadata);
  const summary = [...headers.map(([name]) => name), ...(timeoutMs === undefined ? [] : [`${timeoutMs} ms`])];
  return (
    <div class="metadata">
      <details>
        <summary>
          {texts.metadataHeading}
          {summary.length > 0 && <span class="sent">: {summary.join(", ")}</span>}
        </summary>
        <p class="note intro">{texts.metadataIntro}</p>
        {typed.rows.map((row, index) => (
          <Row
            key={index}
            {...{ row, index }}
            isInvalid={problems.has(index)}
            change={(changed) => rows.change(index, changed)}
            remove={() => rows.remove(index)}
            nameField={index === typed.rows.length - 1 ? rows.lastName : undefined}
          />
        ))}
        <button ref={rows.addButton} type="button" onClick={rows.add}>
          {texts.addMetadata}
        </button>
        <p class="deadline">
          <label for="deadline">{texts.deadlineLabel}</label>
          <input
            id="deadline"
            value={typed.deadline}
            size={8}
            inputMode="numeric"
            autoComplete="off"
            aria-invalid={isDeadlineInvalid}
            aria-describedby={isDeadlineInvalid ? "problem-of-deadline" : undefined}
            onInput={(event) => setTyped({ ...typed, deadline: event.currentTarget.value })}
          />
        </p>
      </details>
      {[...problems].map(([index, problem]) => (
        <p key={index} class="problem" id={`problem-of-metadata-${index}`} role="alert">
          {texts.metadataProblem(typed.rows[index]?.[0] ?? "", problem)}
        </p>
      ))}
      {isDeadlineInvalid && (
        <p class="problem" id="problem-of-deadline" role="alert">
          {texts.deadlineProblem(MAX_TIMEOUT_MS)}
        </p>
      )}
    </div>
  );
}

/** The changes of rows. The focus moves to a row that is added, and to the button for more when one is removed. */
function useRows({ typed, setTyped }: Metadata) {
  const addButton = useRef<HTMLButtonElement>(null);
  const lastName = useRef<HTMLInputElement>(null);
  const [added, setAdded] = useState(0);
  useEffect(() => {
    if (added > 0) lastName.current?.focus();
  }, [added]);

  const { rows } = typed;
  return {
    addButton,
    lastName,
    add() {
      setTyped({ ...typed, rows: [...rows, ["", ""]] });
      setAdded(added + 1);
    },
    change: (index: number, row: MetadataRow) => setTyped({ ...typed, rows: rows.with(index, row) }),
    remove(index: number) {
      setTyped({ ...typed, rows: rows.toSpliced(index, 1) });
      addButton.current?.focus();
    },
  };
}

interface RowProps {
  readonly row: MetadataRow;
  readonly index: number;
  readonly isInvalid: boolean;
  readonly change: (row: MetadataRow) => void;
  readonly remove: () => void;
  readonly nameField: preact.RefObject<HTMLInputElement | null> | undefined;
}

function Row({ row: [name, value], index, isInvalid, change, remove, nameField }: RowProps) {
  const texts = useTexts();
  const common = {
    autoComplete: "off",
    spellcheck: false,
    "aria-invalid": isInvalid,
    "aria-describedby": isInvalid ? `problem-of-metadata-${index}` : undefined,
  };
  return (
    <div class="row">
      <input
        {...common}
        {...(nameField && { ref: nameField })}
        aria-label={`${texts.metadataRow(index + 1)}: ${texts.metadataName}`}
        placeholder={texts.metadataName}
        value={name}
        onInput={(event) => change([event.currentTarget.value, value])}
      />
      <input
        {...common}
        class="value"
        aria-label={`${texts.metadataRow(index + 1)}: ${texts.metadataValue}`}
        placeholder={texts.metadataValue}
        value={value}
        onInput={(event) => change([name, event.currentTarget.value])}
      />
      <button type="button" onClick={remove} aria-label={`${texts.removeMetadata} ${index + 1}`}>
        {texts.removeMetadata}
      </button>
    </div>
  );
}
