/** Provides the schema of the server to each component. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
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

/** Returns the unary methods of all services. `GET /` without the page prints commands that call the first one. */
export function unaryMethods({ services }: Schema): DescMethodUnary[] {
  return services
    .flatMap((service) => service.methods)
    .filter((method): method is DescMethodUnary => method.methodKind === "unary");
}
