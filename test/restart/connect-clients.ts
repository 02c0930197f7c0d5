/** Clients of connect-node: Connect over HTTP/1.1, and Connect and gRPC over HTTP/2. */
import { Agent } from "node:http";
import { type Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { retryRefused } from "../../src/server/retry-refused.ts";
import { CallService } from "../gen/calls/v1/calls_pb.ts";
import { CALLERS, type Client, callOnAndOn, type Loss, slowness } from "./client.ts";
import { DELAY_HEADER } from "./slow-routes.ts";

/** Creates the client's transport, and a function that closes it. */
type Open = (baseUrl: string) => { readonly transport: Transport; readonly close: () => void };

interface Options {
  readonly mayLose?: Loss;
  readonly note?: string;
  readonly slow?: boolean;
}

/**
 * Node's HTTP/2 client writes a request at the end of the event loop's turn. If it reads GOAWAY before, it drops the
 * request as REFUSED_STREAM. So each caller may lose one call, which the server cannot prevent. The caller may try
 * again: a refused stream was not processed (RFC 9113, 8.7).
 */
const UNSENT: Options = {
  mayLose: { calls: CALLERS, reason: /NGHTTP2_REFUSED_STREAM/ },
  note: `drops requests that it has not sent when it reads GOAWAY: at most ${CALLERS} at each close`,
};

export const CONNECT_CLIENTS: readonly Client[] = [
  client("Connect over HTTP/1.1, connect-node", connectHttp1),
  client("Connect over HTTP/1.1, connect-node, slow calls", connectHttp1, { slow: true }),
  client("Connect over HTTP/2, connect-node", http2(createConnectTransport), UNSENT),
  client("gRPC, connect-node", http2(createGrpcTransport), UNSENT),
  client("Connect over HTTP/2, connect-node, retries", http2(createConnectTransport, [retryRefused])),
  client("Connect over HTTP/2, connect-node, retries, slow calls", http2(createConnectTransport, [retryRefused]), {
    slow: true,
  }),
  client("gRPC, connect-node, retries", http2(createGrpcTransport, [retryRefused])),
];

function connectHttp1(baseUrl: string): ReturnType<Open> {
  const agent = new Agent({ keepAlive: true });
  const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { agent } });
  return { transport, close: () => agent.destroy() };
}

function http2(
  create: typeof createConnectTransport | typeof createGrpcTransport,
  interceptors: Interceptor[] = [],
): Open {
  return (baseUrl) => {
    const sessionManager = new Http2SessionManager(baseUrl);
    const transport = create({ baseUrl, httpVersion: "2", interceptors, sessionManager });
    return { transport, close: () => sessionManager.abort() };
  };
}

function client(name: string, open: Open, { mayLose, note, slow = false }: Options = {}): Client {
  return {
    name,
    note,
    mayLose,
    mustSpan: slow,
    async run(authority, calls, stop) {
      const { transport, close } = open(`http://${authority}`);
      const { add } = createClient(CallService, transport);
      const call = async (): Promise<void> => {
        const headers: Record<string, string> = slow ? { [DELAY_HEADER]: String(slowness()) } : {};
        const { sum } = await add({ a: 1, b: 2 }, { headers }).catch((error) => {
          throw new Error(describe(error));
        });
        if (sum !== 3) throw new Error(`the sum was ${sum}`);
      };
      await callOnAndOn(call, calls, stop);
      close();
    },
  };
}

function describe(reason: unknown): string {
  const { code, rawMessage, cause } = ConnectError.from(reason);
  const because = cause instanceof Error && cause.message !== rawMessage ? ` (${cause.message})` : "";
  return `${codeToString(code as Code)}: ${rawMessage}${because}`;
}
