/** The texts of the page, in any language. */

import type { Part, Wanted, What } from "../annotate/part.ts";
import type { Benchmark } from "../benchmark.ts";
import type { Delivery } from "../call/delivery.ts";
import type { Protocol } from "../call/protocol.ts";

export interface Texts {
  readonly title: string;
  readonly lead: string;
  readonly languageLabel: string;

  readonly callHeading: string;
  readonly methodLabel: string;
  readonly protocolLabel: string;
  readonly protocols: Readonly<Record<Protocol, string>>;
  /** How often a click calls a method that has no side effects, and any other. */
  readonly calledInEach: string;
  readonly calledOnce: string;
  readonly call: string;
  readonly calling: string;
  readonly tryLabel: string;
  readonly tryGreatest: string;
  readonly tryShortened: string;
  readonly leftOut: string;
  /** In place of the page. */
  readonly noMethod: string;
  /** Before the client's words, which are English. */
  readonly onlyRefused: string;
  readonly answerIs: string;
  readonly emptyAnswer: string;
  readonly took: (milliseconds: string, httpVersion: string | undefined) => string;
  readonly delivered: Readonly<Record<Exclude<Delivery, "whole">, string>>;
  readonly shortened: string;
  /** Where there was no byte to cut off. */
  readonly loneTag: string;
  readonly noAnswer: string;

  readonly wireHeading: string;
  readonly wireIntro: string;
  readonly nothingYet: string;
  readonly request: string;
  readonly answer: string;
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
  /** After the first of many parts. */
  readonly more: (bytes: number) => string;
  /** The way to select a part, on a device with a pointer and on a touch screen. */
  readonly hint: { readonly pointer: string; readonly touch: string };
  readonly explain: { readonly [K in What["kind"]]: (what: Extract<What, { kind: K }>, part: Part) => string };
  readonly wanted: Readonly<Record<Wanted, string>>;

  readonly sizesHeading: string;
  readonly sizesIntro: string;
  readonly protocol: string;
  readonly message: string;
  readonly framing: string;
  readonly bytes: (count: number) => string;
  readonly sizeOf: (message: number, framing: number) => string;
  /** Beside the size of an answer that did not cross. */
  readonly sizeOfCopy: string;
  /** Beside that of one that crossed with a content coding. */
  readonly sizeDecoded: string;
  readonly sizesPending: string;
  /** In place of the sizes of a call without a response. */
  readonly noSizes: string;
  readonly grpcNote: string;
  readonly grpcFrame: string;

  readonly linesHeading: string;
  readonly linesIntro: string;
  /** What the lines lack where the page came over TLS, and cannot know. */
  readonly linesOverTls: string;
  readonly copy: string;
  readonly copied: string;
  readonly notCopied: string;
  readonly pythonNote: string;
  readonly typescriptNote: string;
  readonly repositoryNote: string;

  readonly costHeading: string;
  readonly costIntro: string;
  readonly comparison: (facts: Facts) => readonly (readonly [fact: string, grpc: string, json: string])[];
  readonly chartHeading: string;
  readonly chartUnit: string;
  readonly chartNote: (benchmark: Benchmark) => string;
  readonly connections: (count: number) => string;
  readonly own: string;
  readonly wholeChart: string;

  readonly footer: string;
}

export interface Facts {
  /** The contract's file, like "service.proto". */
  readonly contract: string;
  readonly benchmark: Benchmark;
  /** A number as the language writes it. */
  readonly number: (value: number) => string;
}

/** What a part is, in a sentence. */
export function explain(texts: Texts, part: Part): string {
  const explainKind = texts.explain[part.what.kind] as (what: What, part: Part) => string;
  return explainKind(part.what, part);
}

/** Wire types by their numbers (protobuf.dev, "Encoding"). */
export const WIRE_TYPES = ["varint", "64 bit", "length-delimited", "group", "end of group", "32 bit"] as const;
