/** Serves the gRPC reflection service (grpc.reflection.v1 and v1alpha) from a DescriptorIndex. */
import type { DescFile, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { quote } from "../log/quote.ts";
import { isRegistered } from "../rpc/registrations.ts";
import { closure, type DescriptorIndex } from "./descriptor-index.ts";

type Response = MessageInitShape<typeof ServerReflectionResponseSchema>;
type Answer = NonNullable<Response["messageResponse"]>;

/** The maximum length of a name in UTF-16 code units. A response contains its request, so a long name makes both large. */
const MAX_NAME_LENGTH = 1024;

/** The versions of reflection to serve: both for true, none for false. */
export type Reflection = boolean | "v1" | "v1alpha";

/**
 * Registers the versions of the reflection service, except a version that the router has already. Returns the services that
 * were registered. Their handlers call `index` for each request message.
 */
export function registerReflection(
  router: ConnectRouter,
  versions: Reflection,
  index: () => DescriptorIndex,
): DescService[] {
  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>): AsyncIterable<Response> {
    for await (const request of requests) {
      checkNames(request);
      const messageResponse = answer(index(), request.messageRequest);
      yield { validHost: request.host, originalRequest: request, messageResponse };
    }
  }
  // The messages of v1alpha have the same fields as those of v1, so one implementation serves both.
  const wanted = [
    ...(versions === true || versions === "v1" ? [ServerReflection] : []),
    ...(versions === true || versions === "v1alpha" ? [ServerReflectionAlpha] : []),
  ];
  const services = wanted.filter((service) => !isRegistered(router, service));
  for (const service of services) router.service(service, { serverReflectionInfo: serverReflectionInfo as never });
  return services;
}

/** Throws invalid_argument, which ends the stream, if a name or the host is too long. */
function checkNames({ host, messageRequest: { value } }: ServerReflectionRequest): void {
  const name = typeof value === "object" ? value.containingType : (value ?? "");
  for (const text of [host, name]) {
    if (text.length <= MAX_NAME_LENGTH) continue;
    const message = `reflect: a name of ${text.length} characters exceeds ${MAX_NAME_LENGTH} characters`;
    throw new ConnectError(message, Code.InvalidArgument);
  }
}

function answer(index: DescriptorIndex, { case: query, value }: ServerReflectionRequest["messageRequest"]): Answer {
  switch (query) {
    case "fileByFilename":
      return files(index, index.file(value), `file ${quote(value)}`);
    case "fileContainingSymbol":
      return files(index, index.fileOfSymbol(value), `symbol ${quote(value)}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = value;
      const file = index.fileOfExtension(containingType, extensionNumber);
      return files(index, file, `extension ${extensionNumber} of ${quote(containingType)}`);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = index.extensionNumbers(value);
      if (extensionNumber === undefined) return notFound(`message ${quote(value)}`);
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: value, extensionNumber } };
    }
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map((name) => ({ name })) } };
    case undefined:
      throw new ConnectError("reflect: the request names no query", Code.InvalidArgument);
  }
}

function files(index: DescriptorIndex, file: DescFile | undefined, wanted: string): Answer {
  if (file === undefined) return notFound(wanted);
  const fileDescriptorProto = [...closure(file)].map((each) => index.bytes(each));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(wanted: string): Answer {
  return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `reflect: no ${wanted}` } };
}
