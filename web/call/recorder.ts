/** Records the request and the response of a transport's fetch, as far as a script can see them. */
import { isEnveloped } from "../annotate/body.ts";
import { type Delivery, deliveryOf, type Timing } from "./delivery.ts";
import type { StreamRecorder } from "./stream-recorder.ts";

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
  /** The whole body. Empty if a stream recorder has it. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** True if the body had a content coding. The browser decoded it, so `body` is not what was received. */
  readonly isDecoded: boolean;
  /** The ALPN identifier, like "http/1.1" or "h2"; undefined if the browser does not report it, or not yet. */
  readonly httpVersion: string | undefined;
  /** "network" if the browser does not report timing. */
  readonly delivery: Delivery;
}

export type Header = readonly [name: string, value: string];

export interface Recorder {
  readonly fetch: typeof fetch;
  /** Undefined until the request is sent. */
  readonly request: SentRequest | undefined;
  /** Undefined until the response is complete. The response of a stream only needs its headers. */
  readonly response: ReceivedResponse | undefined;
  /** Adds the browser's timing to the response. Waits for the timing for up to 50 ms, after the end of the response. */
  addTiming(): Promise<void>;
}

export interface RecorderOptions {
  /** May replace the request before it is sent. */
  readonly change?: ((request: SentRequest) => SentRequest) | undefined;
  /** Records the body in place of this recorder, if the body has envelopes. */
  readonly stream?: StreamRecorder | undefined;
}

/** Creates a recorder of one fetch. */
export function createRecorder({ change = (request) => request, stream }: RecorderOptions = {}): Recorder {
  let request: SentRequest | undefined;
  let response: ReceivedResponse | undefined;
  let address = "";
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
      const { method, target, headers, body } = request;
      address = url.origin + target;
      performance.clearResourceTimings();
      const fetched = await fetch(address, {
        ...init,
        method,
        headers: headers.map(([name, value]): [string, string] => [name, value]),
        body: body.length === 0 && method === "GET" ? null : body,
      });
      const { status, statusText } = fetched;
      if (stream !== undefined && fetched.body !== null && isEnveloped(fetched.headers.get("content-type") ?? "")) {
        response = receivedResponse(fetched, new Uint8Array());
        const recorded = fetched.body.pipeThrough(recordingStream(stream));
        return new Response(recorded, { status, statusText, headers: fetched.headers });
      }
      const bytes = new Uint8Array(await fetched.arrayBuffer());
      response = receivedResponse(fetched, bytes);
      return new Response(bytes, { status, statusText, headers: fetched.headers });
    },
    async addTiming() {
      const timing = response && (await timingOf(address));
      if (response === undefined || timing === undefined) return;
      response = { ...response, httpVersion: timing.nextHopProtocol || undefined, delivery: deliveryOf(timing) };
    },
  };
}

function receivedResponse({ status, statusText, headers }: Response, body: Uint8Array<ArrayBuffer>): ReceivedResponse {
  const isDecoded = headers.has("content-encoding");
  return { status, statusText, headers: [...headers], body, isDecoded, httpVersion: undefined, delivery: "network" };
}

function recordingStream(stream: StreamRecorder): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(piece, controller) {
      stream.add(piece);
      controller.enqueue(piece);
    },
  });
}

async function bytesOf(body: RequestInit["body"]): Promise<Uint8Array<ArrayBuffer>> {
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
