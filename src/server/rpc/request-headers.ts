/** The headers of a request, as handlers, interceptors and gates read them. */
import { type RequestHead, requestField } from "../http/exchange.ts";

/** Names that need no validation. The values of repeated cookies are joined in another way (RFC 9113, 8.2.3). */
const PLAIN_NAME = /^(?!cookie$)[a-z\d-]+$/i;

/** The methods of `Headers`. In Node's declarations they are properties, which a class cannot override by methods. */
interface HeaderMethods {
  append(name: string, value: string): void;
  get(name: string): string | null;
  has(name: string): boolean;
}

type RequestHeadersClass = new (head: RequestHead) => Headers;

let RequestHeaders: RequestHeadersClass | undefined;

/**
 * Returns the headers of a request, which belong to the caller. Node needs about 1 us to fill a `Headers` object, and most
 * callers read one or two values. So `get` and `has` look these up in the request, and any other method fills the object
 * first.
 */
export function requestHeaders(head: RequestHead): Headers {
  RequestHeaders ??= defineRequestHeaders(); // not before the first call, because Node needs 20 ms to load `Headers`
  return new RequestHeaders(head);
}

function defineRequestHeaders(): RequestHeadersClass {
  class RequestHeaders extends (Headers as unknown as new () => HeaderMethods) {
    /** The request. Undefined after its fields were copied. */
    #head: RequestHead | undefined;

    constructor(head: RequestHead) {
      super();
      this.#head = head;
    }

    static {
      fillBefore(RequestHeaders.prototype, Headers.prototype, (headers) => headers.#fill());
    }

    #fill(): void {
      const head = this.#head;
      this.#head = undefined;
      for (const [name, value] of head?.fields ?? []) super.append(name, value);
    }

    override get(name: string): string | null {
      const head = this.#head;
      if (head !== undefined && isPlain(name)) return requestField(head, name.toLowerCase()) ?? null;
      this.#fill();
      return super.get(name);
    }

    override has(name: string): boolean {
      if (this.#head !== undefined && isPlain(name)) return this.get(name) !== null;
      this.#fill();
      return super.has(name);
    }
  }
  return RequestHeaders as unknown as RequestHeadersClass;
}

function isPlain(name: unknown): boolean {
  return typeof name === "string" && PLAIN_NAME.test(name);
}

/** Overrides all methods of `base`, that for `util.inspect` included, which `prototype` does not override itself. */
function fillBefore<T extends object>(prototype: T, base: object, fill: (headers: T) => void): void {
  for (const name of Reflect.ownKeys(base)) {
    // Node 22 has getters, which throw on a prototype.
    const method: unknown = Reflect.getOwnPropertyDescriptor(base, name)?.value;
    if (typeof method !== "function" || Object.hasOwn(prototype, name)) continue;
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value(this: T, ...args: unknown[]): unknown {
        fill(this);
        return Reflect.apply(method, this, args);
      },
    });
  }
}
