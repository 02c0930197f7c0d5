/** connect-node's clients: Connect over HTTP/1.1, and Connect and gRPC over HTTP/2. */
import { type Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Test } from "../../gen/service_pb.ts";
import { CALL_MS, type Client, callOnAndOn } from "./client.ts";
import { DELAY_HEADER } from "./slow-routes.ts";

type CreateTransport = (baseUrl: string) => Transport;

const connect1: CreateTransport = (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" });
const connect2: CreateTransport = (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" });
const grpc: CreateTransport = (baseUrl) => createGrpcTransport({ baseUrl });

export const CONNECT_CLIENTS: readonly Client[] = [
  client("Connect over HTTP/1.1, connect-node", connect1),
  client("Connect over HTTP/1.1, slow calls", connect1, 400),
  client("Connect over HTTP/2, connect-node", connect2),
  client("Connect over HTTP/2, slow calls", connect2, 400),
  client("gRPC, connect-node", grpc),
];

/** A client whose calls take that many ms longer. */
function client(name: string, createTransport: CreateTransport, delayMs?: number): Client {
  const headers: Record<string, string> = delayMs === undefined ? {} : { [DELAY_HEADER]: String(delayMs) };
  return {
    name,
    mayLose: 0,
    mustSpan: delayMs !== undefined,
    async run(authority, calls, stop) {
      const { getSum } = createClient(Test, createTransport(`http://${authority}`));
      const call = async (): Promise<void> => {
        const { sum } = await getSum({ a: 1, b: 2 }, { headers, timeoutMs: CALL_MS }).catch((error) => {
          throw new Error(describe(error));
        });
        if (sum !== 3) throw new Error(`the sum was ${sum}`);
      };
      await callOnAndOn(call, calls, stop);
    },
  };
}

function describe(reason: unknown): string {
  const { code, rawMessage, cause } = ConnectError.from(reason);
  const because = cause instanceof Error && cause.message !== rawMessage ? ` (${cause.message})` : "";
  return `${codeToString(code as Code)}: ${rawMessage}${because}`;
}
