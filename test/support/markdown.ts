/** Reads the parts of a Markdown document that can be checked: code blocks, code spans, links and headings. */
import { globSync } from "node:fs";
import { ROOT } from "./command.ts";

/** The paths of the documents on the service, below the root. A new service has its own. */
export const SERVICE_DOCUMENTS: readonly string[] = ["README.md", "docs/extending.md"];

/** The paths of the documents on the server, which hold for every service. */
export const DOCUMENTS: readonly string[] = [
  ...["ARCHITECTURE.md", "CONTRIBUTING.md"],
  ...globSync("docs/*.md", { cwd: ROOT })
    .filter((name) => !SERVICE_DOCUMENTS.includes(name))
    .sort(),
];

/** A fenced code block. */
export interface CodeBlock {
  /** The word behind the fence, like "sh", or "". */
  readonly language: string;
  readonly text: string;
  /** The line of its opening fence, from 1. */
  readonly line: number;
  /** The line of the heading before the block; 0 if it has none. */
  readonly heading: number;
  /** The text of the HTML comment `<!-- test: ... -->` in front of the block, or undefined if it has none. */
  readonly directive: string | undefined;
}

/** A code span or the target of a link, with its line. */
export interface Span {
  readonly text: string;
  readonly line: number;
}

/** Returns the fenced blocks. The indentation of the fence, as in a list, is removed from each line. */
export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const fence = /^(?:[ \t]*<!-- test: (.*?) -->\n\s*?)?([ \t]*)```(\w*)\n([\s\S]*?)^[ \t]*```$/gm;
  const headings = matches(markdown, /^(#+ )/gm).map(({ line }) => line);
  return [...markdown.matchAll(fence)].map(
    ({ 0: whole, 1: directive, 2: indent = "", 3: language = "", 4: body = "", index }) => {
      const text = body.replaceAll(new RegExp(`^${indent}`, "gm"), "");
      const line = lineAt(markdown, index + whole.indexOf("```"));
      return { language, text, line, heading: headings.findLast((each) => each < line) ?? 0, directive };
    },
  );
}

/** Returns the comments for tests that are not in front of a code block. */
export function strayDirectives(markdown: string): readonly Span[] {
  return matches(markdown, /^[ \t]*(<!-- test: .*-->)$(?!\n {3,}\n)/gm);
}

/** Returns the code spans outside of code blocks. */
export function codeSpans(markdown: string): readonly Span[] {
  return matches(markdown, /`([^`\n]+)`/g);
}

/** Returns the targets of links and pictures. */
export function linkTargets(markdown: string): readonly Span[] {
  return [...matches(markdown, /\]\(([^)\s]+)\)/g), ...matches(markdown, /<img [^>]*src="([^"]+)"/g)];
}

/** Returns the anchors that GitHub gives to the headings. */
export function anchors(markdown: string): ReadonlySet<string> {
  return new Set(
    matches(markdown, /^#+ (.*)$/gm).map(({ text }) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Returns the first group of each match of the pattern outside of code blocks. */
function matches(markdown: string, pattern: RegExp): Span[] {
  const prose = markdown.replaceAll(/^[ \t]*```[\s\S]*?^[ \t]*```$/gm, (block) => block.replaceAll(/[^\n]/g, " "));
  return [...prose.matchAll(pattern)].map(({ 1: text = "", index }) => ({ text, line: lineAt(markdown, index) }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
