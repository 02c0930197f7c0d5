/**
 * The state of the request: method, input and protocol. The method is in the fragment of the page's address, so that
 * links, back and forward choose it.
 */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Draft, draftOfJson, draftOfText, exampleDraft } from "../call/draft.ts";
import type { HistoryEntry } from "../call/history.ts";
import { formatLink, type LinkProblem, parseLink } from "../call/link.ts";
import { procedureOf } from "../call/methods.ts";
import { isOffered, type Protocol } from "../call/protocol.ts";

export interface Request {
  readonly method: DescMethod;
  /** Undefined if the page was opened without a link, or with one that can be followed. */
  readonly linkProblem: LinkProblem | undefined;
  /** The input of the method. Each method keeps its own. */
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
  /** The protocol that the user chose, or Connect JSON if that cannot call the method. */
  readonly protocol: Protocol;
  readonly setProtocol: (protocol: Protocol) => void;
  /** Restores method, input and protocol. */
  readonly restore: (entry: HistoryEntry) => void;
}

/** The inputs that were changed, by the procedures of their methods. */
type Drafts = ReadonlyMap<string, Draft>;

/** Returns the request of the page. `first` is the method of an address without a link that can be followed. */
export function useRequest(services: readonly DescService[], first: DescMethod): Request {
  const [fragment, setFragment] = useState(location.hash);
  const [drafts, setDrafts] = useState<Drafts>(() => withLinked(new Map(), services));
  const [wanted, setProtocol] = useState<Protocol>("connect-json");
  useEffect(() => {
    function follow(): void {
      setDrafts((before) => withLinked(before, services));
      setFragment(location.hash);
    }
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, [services]);

  const link = useMemo(() => parseLink(fragment, services), [fragment, services]);
  const method = typeof link === "object" ? link.method : first;
  const example = useMemo(() => exampleDraft(method.input), [method]);

  function keep(procedure: string, draft: Draft): void {
    setDrafts((before) => new Map(before).set(procedure, draft));
    // An input in the address would be another one than that of the page.
    if (location.hash.includes("?")) history.replaceState(null, "", formatLink({ method, input: undefined }));
  }

  return {
    method,
    linkProblem: typeof link === "string" ? link : undefined,
    draft: drafts.get(procedureOf(method)) ?? example,
    setDraft: (draft) => keep(procedureOf(method), draft),
    protocol: isOffered(wanted, method) ? wanted : "connect-json",
    setProtocol,
    restore({ procedure, input, protocol }) {
      keep(procedure, draftOfText(input));
      setProtocol(protocol);
      if (procedure === procedureOf(method)) return;
      history.pushState(null, "", `#/${procedure}`);
      setFragment(location.hash);
    },
  };
}

/** Returns the drafts with the input of the page's address, if it has one. */
function withLinked(drafts: Drafts, services: readonly DescService[]): Drafts {
  const link = parseLink(location.hash, services);
  if (typeof link !== "object" || link.input === undefined) return drafts;
  const draft = draftOfText(link.input);
  return new Map(drafts).set(procedureOf(link.method), draft.error === undefined ? draftOfJson(draft.json) : draft);
}
