/** A button that copies a link to the page with its method and input, and shows the outcome. */
import type { DescMethod } from "@bufbuild/protobuf";
import { useMemo, useState } from "preact/hooks";
import type { Draft } from "../call/draft.ts";
import { compactJson, formatLink, MAX_LINK_LENGTH } from "../call/link.ts";
import { useTexts } from "./language.ts";

type LinkOutcome = "linkCopied" | "linkShown" | "linkTooLong";

/** Copies the link, and makes it the address of the page: the user can copy it there if the clipboard is forbidden. */
export function CopyLink({ method, draft }: { method: DescMethod; draft: Draft }) {
  const texts = useTexts();
  const [tried, setTried] = useState<{ readonly link: string; readonly outcome: LinkOutcome }>();
  const link = useMemo(() => {
    const input = draft.error === undefined ? compactJson(draft.text) : draft.text;
    return formatLink({ method, input });
  }, [method, draft]);
  const outcome = tried?.link === link ? tried.outcome : undefined;

  async function copy(): Promise<LinkOutcome> {
    if (link.length > MAX_LINK_LENGTH) return "linkTooLong";
    history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(location.href);
      return "linkCopied";
    } catch {
      return "linkShown"; // forbidden, or the page came neither over TLS nor from loopback and has no clipboard
    }
  }

  return (
    <span class="copy-link">
      <button type="button" onClick={() => void copy().then((outcome) => setTried({ link, outcome }))}>
        {texts.copyLink}
      </button>
      <span class="note" role="status">
        {outcome && texts[outcome]}
      </span>
    </span>
  );
}
