/** Loads the schema, and then shows the page. */
import type { ComponentChild } from "preact";
import { useEffect, useState } from "preact/hooks";
import { loadSchema, type Schema } from "../call/schema.ts";
import { preferredLanguage, TEXTS } from "./language.ts";
import { SchemaContext } from "./schema.ts";

/** Shows its child once the schema is loaded. Until then, says that it is loading, or that it failed. */
export function Loading({ children }: { children: (schema: Schema) => ComponentChild }) {
  const [schema, setSchema] = useState<Schema>();
  const [problem, setProblem] = useState<string>();
  const language = preferredLanguage();
  const texts = TEXTS[language];

  function load(): void {
    setProblem(undefined);
    loadSchema().then(setSchema, (error: Error) => setProblem(error.message));
  }
  useEffect(load, []);

  if (schema !== undefined) return <SchemaContext.Provider value={schema}>{children(schema)}</SchemaContext.Provider>;
  if (problem === undefined)
    return (
      <main lang={language} class="pending">
        {texts.loadingSchema}
      </main>
    );
  return (
    <main lang={language} class="pending">
      <p role="alert">
        {texts.noSchema} <span lang="en">{problem}</span>
      </p>
      <button type="button" onClick={load}>
        {texts.retry}
      </button>
    </main>
  );
}
