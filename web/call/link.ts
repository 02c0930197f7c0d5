/** Links to a method of the page and its input, in the fragment of the page's address. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { findMethod, procedureOf } from "./methods.ts";

export interface Link {
  readonly method: DescMethod;
  /** The input in JSON; undefined if the link does not have one. */
  readonly input: string | undefined;
}

/**
 * The reason why a link cannot be followed. "malformed": its form or its percent-encoding is invalid. "unknown": the
 * server does not have its method.
 */
export type LinkProblem = "malformed" | "unknown";

/** Limits the characters of a link. Browsers take more, but programs that pass links on may cut them. */
export const MAX_LINK_LENGTH = 16_000;

const FORM = /^#\/(?<procedure>[\w.]+\/\w+)(?:\?input=(?<input>.*))?$/s;

/**
 * Returns the fragment of a link, like "#/acme.eliza.v1.ElizaService/Say?input=%7B%7D". Half of a character (a lone
 * surrogate) becomes U+FFFD, as links cannot have it.
 */
export function formatLink({ method, input }: Link): string {
  const fragment = `#/${procedureOf(method)}`;
  return input === undefined ? fragment : `${fragment}?input=${encodeURIComponent(input.toWellFormed())}`;
}

/** Reads a fragment. Returns undefined if the fragment is empty. */
export function parseLink(fragment: string, services: readonly DescService[]): Link | LinkProblem | undefined {
  if (fragment === "" || fragment === "#" || fragment === "#/") return undefined;
  const { procedure, input } = FORM.exec(fragment)?.groups ?? {};
  if (procedure === undefined) return "malformed";
  const method = findMethod(services, procedure);
  if (method === undefined) return "unknown";
  try {
    return { method, input: input === undefined ? undefined : decodeURIComponent(input) };
  } catch {
    return "malformed";
  }
}

/** Removes the white space between the tokens of a text in JSON. */
export function compactJson(json: string): string {
  return json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
}
