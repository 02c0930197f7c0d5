/** Tests the reflection service (grpc.reflection.v1 and v1alpha) as its clients see it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create as createMessage, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter, createClient } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { DescriptorIndex } from "../../src/server/services/descriptor-index.ts";
import { callRoutes } from "../support/call-service.ts";
import { compile, Kinds } from "../support/protos.ts";
import { startServer } from "../support/server.ts";
import { TRANSPORTS } from "../support/transports.ts";

type Request = MessageInitShape<typeof ServerReflectionRequestSchema>;
type Query = NonNullable<Request["messageRequest"]>;

/** The descriptor that the compiler generates from the contract. */
const COMPILED = compile("test/proto")
  .file.filter(({ name }) => name.startsWith("calls/"))
  .map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file)));

const VERSIONS = { v1: ServerReflection, v1alpha: ServerReflectionAlpha as unknown as typeof ServerReflection };

function fixtureRoutes(router: ConnectRouter): void {
  callRoutes(router);
  router.service(Kinds, {});
}

for (const { name: transport, tls, create } of TRANSPORTS.filter(({ http }) => http === "2")) {
  for (const [version, service] of Object.entries(VERSIONS)) {
    const name = `${version} by ${transport}`;

    /** Sends the requests on one stream. Returns the responses when it has ended. */
    async function ask(url: string, requests: readonly Request[]): Promise<ServerReflectionResponse[]> {
      const client = createClient(service, create(url));
      return Array.fromAsync(client.serverReflectionInfo(each(requests)));
    }

    async function askOne(url: string, messageRequest: Query): Promise<ServerReflectionResponse["messageResponse"]> {
      const [answer, ...more] = await ask(url, [{ messageRequest }]);
      assert.ok(answer !== undefined && more.length === 0);
      return answer.messageResponse;
    }

    test(`list_services names the routes' services, health and reflection, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls, routes: fixtureRoutes });
      for (const value of ["", "*"]) {
        const { case: kind, value: answer } = await askOne(url, { case: "listServices", value });
        assert.ok(kind === "listServicesResponse");
        assert.deepEqual(
          answer.service.map(({ name }) => name),
          [
            "calls.v1.CallService",
            "fixture.Kinds",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
          ],
        );
      }
    });

    test(`a file is sent first, and then each of its imports once, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls, routes: fixtureRoutes });
      for (const query of [
        { case: "fileByFilename", value: "kinds.proto" },
        { case: "fileContainingSymbol", value: "fixture.Kinds.Look" },
        { case: "fileContainingSymbol", value: "fixture.Outer.Inner.DEEP" },
        { case: "fileContainingExtension", value: { containingType: "fixture.Outer", extensionNumber: 107 } },
      ] as const) {
        const [first, ...imports] = files(await askOne(url, query));
        assert.equal(first, "kinds.proto");
        assert.deepEqual(imports.sort(), ["bare.proto", "bottom.proto", "left.proto", "right.proto"]);
      }
      assert.deepEqual(files(await askOne(url, { case: "fileByFilename", value: "left.proto" })), [
        "left.proto",
        "bottom.proto",
      ]);
    });

    test(`a file is sent with the bytes of the compiler, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls });
      const answer = await askOne(url, { case: "fileContainingSymbol", value: "calls.v1.CallService" });
      assert.deepEqual(fileBytes(answer), COMPILED);
    });

    test(`the server describes every service that it lists, in ${name}`, async (t) => {
      const { url, server } = await startServer(t, { tls });
      for (const { typeName, file } of server.services) {
        const answer = await askOne(url, { case: "fileContainingSymbol", value: typeName });
        assert.deepEqual(fileBytes(answer), [Buffer.from(new DescriptorIndex([]).bytes(file))]);
      }
    });

    test(`the numbers of a message's extensions are returned, or an empty list without extensions, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls, routes: fixtureRoutes });
      for (const [value, expected] of [
        ["fixture.Outer", [100, 107]],
        ["fixture.Left", []],
      ] as const) {
        const { case: kind, value: answer } = await askOne(url, { case: "allExtensionNumbersOfType", value });
        assert.ok(kind === "allExtensionNumbersResponse");
        assert.deepEqual([answer.baseTypeName, answer.extensionNumber.sort()], [value, expected]);
      }
    });

    test(`an unknown name gets an error response, and the stream continues, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls, routes: fixtureRoutes });
      const queries: Query[] = [
        { case: "fileByFilename", value: "no.proto" },
        { case: "fileContainingSymbol", value: "no.Such" },
        { case: "fileContainingExtension", value: { containingType: "fixture.Outer", extensionNumber: 1 } },
        { case: "allExtensionNumbersOfType", value: "no.Such" },
        { case: "fileByFilename", value: "" },
        { case: "fileByFilename", value: "left.proto" },
      ];
      const answers = await ask(
        url,
        queries.map((messageRequest) => ({ messageRequest })),
      );
      const last = answers.pop();
      assert.deepEqual(
        answers.map(({ messageResponse: { case: kind, value } }) =>
          kind === "errorResponse" ? [value.errorCode, value.errorMessage] : kind,
        ),
        [
          [Code.NotFound, 'reflect: no file "no.proto"'],
          [Code.NotFound, 'reflect: no symbol "no.Such"'],
          [Code.NotFound, 'reflect: no extension 1 of "fixture.Outer"'],
          [Code.NotFound, 'reflect: no message "no.Such"'],
          [Code.NotFound, 'reflect: no file ""'],
        ],
      );
      assert.equal(last?.messageResponse.case, "fileDescriptorResponse");
    });

    test(`each request gets one response in order, with the request and its host in it, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls });
      const requests: Request[] = [
        { host: "a", messageRequest: { case: "listServices", value: "*" } },
        { host: "", messageRequest: { case: "fileByFilename", value: "calls/v1/calls.proto" } },
        {
          host: "b",
          messageRequest: { case: "fileContainingExtension", value: { containingType: "no.Such", extensionNumber: 7 } },
        },
        { host: "a", messageRequest: { case: "listServices", value: "" } },
      ];
      const answers = await ask(url, requests);
      assert.deepEqual(
        answers.map(({ validHost }) => validHost),
        ["a", "", "b", "a"],
      );
      const { input } = service.method.serverReflectionInfo;
      assert.deepEqual(
        answers.map(({ originalRequest }) => originalRequest && toJson(input, originalRequest)),
        requests.map((request) => toJson(input, createMessage(input, request))),
      );
    });

    test(`a response comes before the next request is sent, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls });
      let answered = 0;
      async function* requests(): AsyncIterable<Request> {
        for (let i = 0; i < 3; i++) {
          assert.equal(answered, i);
          const { promise, resolve } = Promise.withResolvers<void>();
          next = resolve;
          yield { messageRequest: { case: "listServices", value: "" } };
          await promise;
        }
      }
      let next = (): void => {};
      const client = createClient(service, create(url));
      for await (const _ of client.serverReflectionInfo(requests())) {
        answered++;
        next();
      }
      assert.equal(answered, 3);
    });

    test(`a stream without a request ends without a response, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls });
      assert.deepEqual(await ask(url, []), []);
    });

    test(`a request without a query is invalid_argument, in ${name}`, async (t) => {
      const { url } = await startServer(t, { tls });
      await assert.rejects(ask(url, [{ host: "a" }]), {
        code: Code.InvalidArgument,
        rawMessage: "reflect: the request names no query",
      });
    });
  }
}

async function* each<T>(values: readonly T[]): AsyncIterable<T> {
  yield* values;
}

/** Returns the files in a response. */
function fileBytes({ case: kind, value }: ServerReflectionResponse["messageResponse"]): Buffer[] {
  assert.ok(kind === "fileDescriptorResponse", `answered ${kind}`);
  return value.fileDescriptorProto.map((bytes) => Buffer.from(bytes));
}

/** Returns the names of the files in a response. */
function files(answer: ServerReflectionResponse["messageResponse"]): string[] {
  return fileBytes(answer).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}
