/** The methods of the server as links, grouped by service. Arrow keys move between them, and a search finds some. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatLink } from "../call/link.ts";
import { procedureOf, searchMethods } from "../call/methods.ts";
import { isTyping } from "./keys.tsx";
import { useTexts } from "./language.ts";
import { Name } from "./name.tsx";

/** The number of methods above which the list has a search. */
const SEARCH_ABOVE = 8;

export interface MethodListProps {
  readonly services: readonly DescService[];
  readonly chosen: DescMethod;
}

export function MethodList({ services, chosen }: MethodListProps) {
  const texts = useTexts();
  const [query, setQuery] = useState("");
  /** True if the list is open in a narrow window. In a wide one it is always visible. */
  const [isOpen, setOpen] = useState(false);
  const nav = useRef<HTMLElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const groups = useMemo(() => searchMethods(services, query), [services, query]);
  const total = useMemo(() => services.flatMap(({ methods }) => methods).length, [services]);
  const found = groups.flatMap(({ methods }) => methods);
  useEffect(() => setOpen(false), [chosen]);
  useEffect(() => {
    addEventListener("keydown", onSlash);
    return () => removeEventListener("keydown", onSlash);
  }, []);

  function onSlash(event: KeyboardEvent): void {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (total <= SEARCH_ABOVE) return;
    event.preventDefault();
    setOpen(true);
    nav.current?.setAttribute("data-open", "true"); // at once: in a narrow window, the next letter is for the search
    search.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    const links = [...(nav.current?.querySelectorAll("a") ?? [])];
    const index = links.indexOf(document.activeElement as HTMLAnchorElement);
    const next = nextIndex(event, index, links.length);
    if (next !== undefined) links[next]?.focus();
    else if (event.key === "Enter" && index < 0 && event.target === search.current) links[0]?.click();
    else if (event.key === "Escape" && (query !== "" || isOpen)) {
      setQuery("");
      setOpen(false);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return (
    <nav ref={nav} class="methods" aria-label={texts.methodsLabel} data-open={isOpen} onKeyDown={onKeyDown}>
      <button type="button" class="toggle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {texts.methodCount(total)}
      </button>
      <div class="list">
        {total > SEARCH_ABOVE && (
          <input
            ref={search}
            type="search"
            aria-label={texts.searchLabel}
            aria-keyshortcuts="/"
            placeholder={`${texts.searchLabel}  /`}
            autoComplete="off"
            spellcheck={false}
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        )}
        <p class={found.length === 0 ? "note" : "unseen"} role="status">
          {query !== "" && texts.found(found.length)}
        </p>
        {groups.map(({ service, methods }) => (
          <section key={service.typeName} aria-label={service.typeName}>
            <ServiceName service={service} />
            <ul>
              {methods.map((method) => (
                <MethodLink
                  key={method.name}
                  method={method}
                  isChosen={method === chosen}
                  isTabStop={method === (found.includes(chosen) ? chosen : found[0])}
                />
              ))}
            </ul>
          </section>
        ))}
      </div>
    </nav>
  );
}

function ServiceName({ service: { name, typeName, deprecated } }: { service: DescService }) {
  const texts = useTexts();
  return (
    <p class="service" title={typeName}>
      <span class="package">
        <Name text={typeName.slice(0, -name.length)} />
      </span>
      <b>
        <Name text={name} />
      </b>
      {deprecated && <span class="note"> {texts.deprecated}</span>}
    </p>
  );
}

interface MethodLinkProps {
  readonly method: DescMethod;
  readonly isChosen: boolean;
  /** True for the link that Tab reaches. Arrow keys reach the others. */
  readonly isTabStop: boolean;
}

function MethodLink({ method, isChosen, isTabStop }: MethodLinkProps) {
  const texts = useTexts();
  return (
    <li>
      <a
        href={formatLink({ method, input: undefined })}
        title={procedureOf(method)}
        aria-current={isChosen ? "page" : undefined}
        tabIndex={isTabStop ? 0 : -1}
      >
        <span class={method.deprecated ? "name deprecated" : "name"}>
          <Name text={method.name} />
        </span>{" "}
        <span class="note">
          {texts.kinds[method.methodKind]}
          {method.deprecated && `, ${texts.deprecated}`}
        </span>
      </a>
    </li>
  );
}

/** Returns the index of the link that a key moves to; undefined if the key does not move. The search has index -1. */
function nextIndex({ key, target }: KeyboardEvent, index: number, count: number): number | undefined {
  if (key === "ArrowDown") return Math.min(index + 1, count - 1);
  if (key === "ArrowUp" && index >= 0) return Math.max(index - 1, 0);
  if (target instanceof HTMLInputElement) return undefined;
  return key === "Home" ? 0 : key === "End" ? count - 1 : undefined;
}
