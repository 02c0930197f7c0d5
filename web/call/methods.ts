/** The methods of a schema: their names, and the methods that a search finds. */
import type { DescMethod, DescMethodServerStreaming, DescMethodUnary, DescService } from "@bufbuild/protobuf";

/** The kinds of method that a browser can call: fetch sends a request whole, before it reads the response. */
export type CallableMethod = DescMethodUnary | DescMethodServerStreaming;

export function isCallable(method: DescMethod): method is CallableMethod {
  return method.methodKind === "unary" || method.methodKind === "server_streaming";
}

/** Returns the name of a method in the paths of requests, like "acme.eliza.v1.ElizaService/Say". */
export function procedureOf({ parent, name }: DescMethod): string {
  return `${parent.typeName}/${name}`;
}

export function findMethod(services: readonly DescService[], procedure: string): DescMethod | undefined {
  return services.flatMap(({ methods }) => methods).find((method) => procedureOf(method) === procedure);
}

/**
 * Returns the method that the page shows first: the first unary one, as in the commands of `GET /`. Without a unary
 * method, returns the first one that a browser can call, or else the first of all.
 */
export function firstMethod(services: readonly DescService[]): DescMethod | undefined {
  const methods = services.flatMap((service) => service.methods);
  return methods.find(({ methodKind }) => methodKind === "unary") ?? methods.find(isCallable) ?? methods[0];
}

export interface MethodGroup {
  readonly service: DescService;
  readonly methods: readonly DescMethod[];
}

/**
 * Returns the methods whose full name contains each word of the query, by their services. Upper and lower case are the
 * same. Leaves out services without such a method.
 */
export function searchMethods(services: readonly DescService[], query: string): MethodGroup[] {
  const words = query.toLowerCase().split(/\s+/);
  return services.flatMap((service): MethodGroup[] => {
    const methods = service.methods.filter((method) => {
      const name = procedureOf(method).toLowerCase();
      return words.every((word) => name.includes(word));
    });
    return methods.length === 0 ? [] : [{ service, methods }];
  });
}
