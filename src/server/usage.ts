/** How to call a server with the tools people have: lines to paste, made from its descriptors. */
import { type DescMessage, type DescService, ScalarType } from "@bufbuild/protobuf";

/** A line each for grpcurl, buf curl and curl that calls the first unary method of the services at the authority. */
export function usageLines(services: readonly DescService[], authority: string): string[] {
  const method = services.flatMap((service) => service.methods).find(({ methodKind }) => methodKind === "unary");
  if (method === undefined) return [];
  const data = `-d '${exampleJson(method.input)}'`;
  const procedure = `${method.parent.typeName}/${method.name}`;
  return [
    `grpcurl -plaintext ${data} ${authority} ${procedure}`,
    `buf curl --http2-prior-knowledge ${data} http://${authority}/${procedure}`,
    `curl -H 'Content-Type: application/json' ${data} http://${authority}/${procedure}`,
  ];
}

/** A message in JSON, with 1, 2, ... in its numbers and each string's own name in it. */
function exampleJson({ fields }: DescMessage): string {
  const example: Record<string, unknown> = {};
  let number = 1;
  for (const field of fields) {
    if (field.fieldKind !== "scalar" || field.scalar === ScalarType.BYTES) continue;
    if (field.oneof !== undefined && field.oneof.fields[0] !== field) continue; // one of them may be set
    if (field.scalar === ScalarType.STRING) example[field.jsonName] = field.name;
    else if (field.scalar === ScalarType.BOOL) example[field.jsonName] = true;
    else example[field.jsonName] = number++;
  }
  return JSON.stringify(example);
}
