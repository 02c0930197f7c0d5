/** Provides the schema of the server to each component. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Schema } from "../call/schema.ts";

export const SchemaContext = createContext<Schema | undefined>(undefined);

/** Returns the schema. Throws outside of a SchemaContext. */
export function useSchema(): Schema {
  const schema = useContext(SchemaContext);
  if (schema === undefined) throw new Error("use the schema: it is not loaded");
  return schema;
}
