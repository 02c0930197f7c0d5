/**
 * The state of the request: method, input and protocol. The method is in the fragment of the page's address, so that
 * links, back and forward choose it.
 */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Draft, exampleDraft } from "../call/draft.ts";
import { type LinkProblem, parseLink } from "../call/link.ts";
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
}

/** Returns the request of the page. `first` is the method of an address without a link that can be followed. */
export function useRequest(services: readonly DescService[], first: DescMethod): Request {
  const fragment = useFragment();
  const link = useMemo(() => parseLink(fragment, services), [fragment, services]);
  const [linkProblem, { method }] =
    typeof link === "string" ? [link, { method: first }] : [undefined, link ?? { method: first }];
  const [inputs, setInputs] = useState<ReadonlyMap<string, Draft>>(new Map());
  const [wanted, setProtocol] = useState<Protocol>("connect-json");
  const procedure = procedureOf(method);
  const example = useMemo(() => exampleDraft(method.input), [method]);
  return {
    method,
    linkProblem,
    draft: inputs.get(procedure) ?? example,
    setDraft: (draft) => setInputs((before) => new Map(before).set(procedure, draft)),
    protocol: isOffered(wanted, method) ? wanted : "connect-json",
    setProtocol,
  };
}

/** Returns the fragment of the address, which changes when the user follows a link or goes back. */
function useFragment(): string {
  const [fragment, setFragment] = useState(location.hash);
  useEffect(() => {
    const read = () => setFragment(location.hash);
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  return fragment;
}
