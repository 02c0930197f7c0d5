/** Records the request and the response of a transport's fetch, as far as a script can see them. */
import { type Delivery, deliveryOf, type Timing } from "./delivery.ts";

export interface SentRequest {
  readonly method: string;
  /** The request target (RFC 9112, 3.2): path and query. */
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface ReceivedResponse {
  readonly status: number;
  /** Like "OK"; empty over HTTP/2. */
  readonly statusText: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array<ArrayBuffer>;
  /** True if the body had a content coding. The browser decoded it, so `body` is not what was received. */
  readonly isDecoded: boolean;
  /** The ALPN identifier, like "http/1.1" or "h2"; undefined if the browser does not report it. */
  readonly httpVersion: string | undefined;
  /** "network" if the browser does not report timing. */
  readonly delivery: Delivery;
}

export type Header = readonly [name: string, value: string];

export interface Recorder {
  readonly fetch: typeof fetch;
  /** Undefined until the request is sent. */
  readonly request: SentRequest | undefined;
  /** Undefined until the response is complete. */
  readonly response: ReceivedResponse | undefined;
}

/** Creates a recorder of one fetch. `change` may replace the method, the target and the body before they are sent. */
export function createRecorder(change: (request: SentRequest) => SentRequest = (request) => request): Recorder {
  let request: SentRequest | undefined;
  let response: ReceivedResponse | undefined;
  return {
    get request() {
      return request;
    },
    get response() {
      return response;
    },
    async fetch(input, init = {}) {
      const url = new URL(String(input));
      request = change({
        method: init.method ?? "GET",
        target: url.pathname + url.search,
        headers: [...new Headers(init.headers)],
        body: await bytesOf(init.body),
      });
      const { method, target, body } = request;
      const address = url.origin + target;
      performance.clearResourceTimings();
      const fetched = await fetch(address, {
        ...init,
        method,
        body: body.length === 0 && method === "GET" ? null : body,
      });
      const bytes = new Uint8Array(await fetched.arrayBuffer());
      const { status, statusText, headers } = fetched;
      const timing = await timingOf(address);
      response = {
        status,
        statusText,
        headers: [...headers],
        body: bytes,
        isDecoded: headers.has("content-encoding"),
        httpVersion: timing?.nextHopProtocol || undefined,
        delivery: timing === undefined ? "network" : deliveryOf(timing),
      };
      return new Response(bytes, { status, statusText, headers });
    },
  };
}

async function bytesOf(body: BodyInit | null | undefined): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(body ?? null).arrayBuffer());
}

type ResourceTiming = PerformanceResourceTiming & Timing;

/**
 * Returns the browser's timing of a request, which is published shortly after the end of the response. Returns
 * undefined if it is not published within 50 ms.
 */
async function timingOf(url: string): Promise<ResourceTiming | undefined> {
  for (let tries = 0; tries < 10; tries++) {
    const [timing] = performance.getEntriesByName(url, "resource");
    if (timing !== undefined) return timing as ResourceTiming;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return undefined;
}
