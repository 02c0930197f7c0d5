/** What a transport's fetch sent and got: bytes as they were, and only what a script can see. */
import { type Delivery, deliveryOf, type Timing } from "./delivery.ts";

export interface SentRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface ReceivedAnswer {
  readonly status: number;
  /** Like "OK"; empty over HTTP/2. */
  readonly statusText: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array<ArrayBuffer>;
  /** Whether the body had a content coding, which the browser took off: what crossed had another size. */
  readonly isDecoded: boolean;
  /** Like "http/1.1" or "h2"; undefined where the browser does not tell. */
  readonly httpVersion: string | undefined;
  /** "whole" where the browser does not tell. */
  readonly delivery: Delivery;
}

export type Header = readonly [name: string, value: string];

export interface Recorder {
  readonly fetch: typeof fetch;
  /** Undefined where nothing was sent, or nothing came back. */
  readonly request: SentRequest | undefined;
  readonly answer: ReceivedAnswer | undefined;
}

/** Records one fetch. The request is changed before it is sent, where a change is given. */
export function createRecorder(change: (request: SentRequest) => SentRequest = (request) => request): Recorder {
  let request: SentRequest | undefined;
  let answer: ReceivedAnswer | undefined;
  return {
    get request() {
      return request;
    },
    get answer() {
      return answer;
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
      const response = await fetch(address, {
        ...init,
        method,
        body: body.length === 0 && method === "GET" ? null : body,
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const { status, statusText, headers } = response;
      const timing = await timingOf(address);
      answer = {
        status,
        statusText,
        headers: [...headers],
        body: bytes,
        isDecoded: headers.has("content-encoding"),
        httpVersion: timing?.nextHopProtocol || undefined,
        delivery: timing === undefined ? "whole" : deliveryOf(timing),
      };
      return new Response(bytes, { status, statusText, headers });
    },
  };
}

async function bytesOf(body: BodyInit | null | undefined): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(body ?? null).arrayBuffer());
}

type Timed = PerformanceResourceTiming & Timing;

/** The browser tells of a request a moment after its end. */
async function timingOf(url: string): Promise<Timed | undefined> {
  for (let tries = 0; tries < 10; tries++) {
    const [timing] = performance.getEntriesByName(url, "resource");
    if (timing !== undefined) return timing as Timed;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return undefined;
}
