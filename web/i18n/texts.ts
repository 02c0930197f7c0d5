/** The texts of the page: each language provides them all. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Annotation, Expected, Part } from "../annotate/part.ts";
import type { Benchmark, Heads } from "../benchmark.ts";
import type { Delivery } from "../call/delivery.ts";
import type { LinkProblem } from "../call/link.ts";
import type { MetadataProblem } from "../call/metadata.ts";
import type { Protocol } from "../call/protocol.ts";

export interface Texts {
  readonly title: string;
  readonly lead: string;
  /** Replaces `lead` if the method is not the tutorial's. */
  readonly generalLead: string;
  readonly languageLabel: string;

  /** Labels the list of methods. */
  readonly methodsLabel: string;
  /** The button that opens the list of methods in a narrow window. */
  readonly methodCount: (count: number) => string;
  readonly searchLabel: string;
  readonly found: (count: number) => string;
  readonly kinds: Readonly<Record<DescMethod["methodKind"], string>>;
  readonly deprecated: string;
  /** The reason why a browser cannot call a method that sends a stream. */
  readonly notCallable: string;
  readonly linkProblem: Readonly<Record<LinkProblem, string>>;
  /** Follow the names of keys. */
  readonly keyCalls: string;
  readonly keyStops: string;
  readonly copyLink: string;
  readonly linkCopied: string;
  readonly linkShown: string;
  readonly linkTooLong: string;
  readonly historyHeading: (count: number) => string;
  readonly historyIntro: string;
  readonly clearHistory: string;
  readonly metadataHeading: string;
  readonly metadataIntro: string;
  readonly metadataName: string;
  readonly metadataValue: string;
  readonly addMetadata: string;
  readonly removeMetadata: string;
  readonly metadataRow: (number: number) => string;
  readonly metadataProblem: (name: string, problem: MetadataProblem) => string;
  readonly deadlineLabel: string;
  readonly deadlineProblem: (maximum: number) => string;

  readonly callHeading: string;
  readonly protocolLabel: string;
  readonly protocols: Readonly<Record<Protocol, string>>;
  /** Shown for a method without side effects. One click calls it in each protocol. */
  readonly calledInEach: string;
  /** Shown for a method that may have side effects. */
  readonly calledOnce: string;
  readonly call: string;
  readonly calling: string;
  readonly tryLabel: string;
  readonly tryMaximum: string;
  readonly tryTruncated: string;
  readonly loadingSchema: string;
  /** Replaces the page if the schema cannot be loaded. */
  readonly noSchema: string;
  readonly retry: string;
  /** Replaces the page if the server does not have a method. */
  readonly noMethod: string;
  /** Introduces a problem of the input. The problem itself is a message of the client, in English. */
  readonly onlyRefused: string;
  readonly responseLabel: string;
  readonly emptyResponse: string;
  /** Labels the response as JSON. */
  readonly wholeResponse: string;
  readonly took: (milliseconds: string, httpVersion: string | undefined) => string;
  readonly delivered: Readonly<Record<Exclude<Delivery, "network">, string>>;
  readonly truncated: string;
  /** Replaces `truncated` if the message was empty. */
  readonly loneTag: string;
  readonly noResponse: string;

  readonly stop: string;
  /** Shown after the user stopped a call. */
  readonly stopped: string;
  /** The messages of a stream: all of them, and those so far. */
  readonly received: (messages: number, bytes: number) => string;
  readonly receivedSoFar: (messages: number, bytes: number) => string;

  readonly input: InputTexts;

  readonly exchangeHeading: string;
  readonly exchangeIntro: string;
  readonly nothingYet: string;
  readonly request: string;
  readonly response: string;
  readonly target: string;
  readonly headers: string;
  readonly headersHidden: string;
  readonly body: (bytes: number) => string;
  readonly noBody: string;
  readonly noBodyOfGet: string;
  readonly values: string;
  readonly decoded: string;
  readonly errorInJson: string;
  readonly trailersHidden: string;
  /** Says how many bytes follow the parts that are shown. */
  readonly more: (bytes: number) => string;
  /** The way to select a part, on a device with a pointer and on a touch screen. */
  readonly hint: { readonly pointer: string; readonly touch: string };
  readonly explain: {
    readonly [K in Annotation["kind"]]: (annotation: Extract<Annotation, { kind: K }>, part: Part) => string;
  };
  readonly expected: Readonly<Record<Expected, string>>;

  /** Replaces the response of a call that the user or the deadline ended. */
  readonly endedBefore: string;
  /** The heading of the messages of a stream. */
  readonly messages: (count: number) => string;
  readonly messageLabel: (number: number) => string;
  /** Labels a message of a stream as JSON. */
  readonly wholeMessage: (number: number) => string;
  /** Stands for the messages of a stream that the page does not keep. */
  readonly omitted: (messages: number, bytes: number) => string;
  readonly endOfStream: string;
  /** The heading of bytes after the last complete message. */
  readonly restOfStream: string;

  readonly sizesHeading: string;
  readonly sizesIntro: string;
  readonly protocol: string;
  readonly message: string;
  readonly framing: string;
  readonly bytes: (count: number) => string;
  readonly sizeOf: (message: number, framing: number) => string;
  /** Marks the size of a response that came from the browser's cache. */
  readonly sizeOfCopy: string;
  /** Marks the size of a response that was received with a content coding. */
  readonly sizeDecoded: string;
  readonly sizesPending: string;
  /** Replaces the sizes of a call without a response. */
  readonly noSizes: string;
  readonly grpcNote: string;
  readonly grpcFrame: string;

  readonly snippetsHeading: string;
  readonly snippetsIntro: string;
  /** Names flags and variables that a command may need over TLS. The page cannot know if they are needed. */
  readonly snippetsOverTls: string;
  readonly copy: string;
  readonly copied: string;
  readonly notCopied: string;
  readonly pythonNote: string;
  readonly typescriptNote: string;
  readonly toolLabel: string;
  readonly curlStreamNote: string;
  readonly repositoryNote: string;

  readonly costHeading: string;
  readonly costIntro: string;
  readonly comparison: (facts: Facts) => readonly (readonly [fact: string, grpc: string, json: string])[];
  readonly chartHeading: string;
  readonly chartUnit: string;
  readonly chartNote: (benchmark: Benchmark) => string;
  /** Names the request headers of calls. */
  readonly heads: Readonly<Record<Heads, string>>;
  readonly own: string;
  readonly wholeChart: string;

  readonly footer: string;
}

/** The texts of the input. A name is the name of a field and of those around it. */
export interface InputTexts {
  readonly json: string;
  readonly editor: string;
  readonly form: string;
  readonly format: string;
  readonly line: (line: number) => string;
  readonly outdated: string;
  readonly tooLarge: (limit: number) => string;
  /** Introduces members of the message that the form does not have, such as extensions. */
  readonly onlyInJson: (names: string) => string;
  readonly notSet: string;
  readonly required: string;
  readonly set: string;
  readonly setOf: (name: string) => string;
  readonly unset: string;
  readonly unsetOf: (name: string) => string;
  readonly add: string;
  readonly addTo: (name: string) => string;
  readonly remove: string;
  readonly removeOf: (name: string) => string;
  readonly item: (list: string, number: number) => string;
  readonly keyOf: (map: string, number: number) => string;
  readonly entry: (map: string, key: string) => string;
  readonly now: string;
  readonly nowFor: (name: string) => string;
}

export interface Facts {
  /** The contract's file, like "service.proto". */
  readonly contract: string;
  readonly benchmark: Benchmark;
  /** Formats a number for the language. */
  readonly number: (value: number) => string;
}

/** Explains a part in a sentence. */
export function explain(texts: Texts, part: Part): string {
  const explainKind = texts.explain[part.annotation.kind] as (annotation: Annotation, part: Part) => string;
  return explainKind(part.annotation, part);
}

/** The names of wire types, by their numbers (protobuf.dev, "Encoding"). */
export const WIRE_TYPES = ["varint", "64 bit", "length-delimited", "group", "end of group", "32 bit"] as const;
