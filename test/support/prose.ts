/** Reads the prose of source files and documents: comments, texts in strings, and paragraphs of Markdown. */

/** A comment, a text or a paragraph, on one line. */
export interface Prose {
  readonly text: string;
  /** The line on which the prose begins, from 1. */
  readonly line: number;
  readonly kind: "comment" | "string" | "paragraph";
}

/** Returns the prose of a file, by the ending of its name. */
export function proseOf(file: string, source: string): readonly Prose[] {
  return file.endsWith(".md") ? paragraphs(source) : [...comments(source), ...strings(source)];
}

/** Lines of // that follow each other are one comment. An @ tag or a code block in a comment is not prose. */
function comments(source: string): Prose[] {
  const found: Prose[] = [];
  let block: string[] | undefined;
  let begin = 0;
  let lastLine = -1;
  source.split("\n").forEach((text, index) => {
    const line = index + 1;
    if (block === undefined) {
      const open = /^\s*(?:\{)?\/\*\*?(.*)$/.exec(text);
      const single = /(?:^|[\s;{}(,])\/\/ (.*)$/.exec(text);
      if (open !== null) {
        begin = line;
        block = [];
        take(open[1] as string);
      } else if (single !== null) {
        const own = /^\s*\/\//.test(text);
        const last = found.at(-1);
        if (own && lastLine === line - 1 && last !== undefined) {
          found[found.length - 1] = { ...last, text: `${last.text} ${single[1]}` };
        } else found.push({ text: single[1] as string, line, kind: "comment" });
        lastLine = own ? line : -1;
      }
    } else take(text.replace(/^\s*\*(?!\/) ?/, ""));
  });
  return found;

  function take(text: string): void {
    const end = text.indexOf("*/");
    block?.push((end < 0 ? text : text.slice(0, end)).trim());
    if (end < 0) return;
    found.push({ text: (block ?? []).join(" ").trim(), line: begin, kind: "comment" });
    block = undefined;
  }
}

/** Texts of four words and more between quotes: messages, help and what the page says. */
function strings(source: string): Prose[] {
  return source.split("\n").flatMap((code, index) =>
    /^\s*(?:\*|\/\*|\/\/)/.test(code)
      ? []
      : [...code.matchAll(/"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)]
          .map(([, plain, template]) => plain ?? template ?? "")
          .filter((text) => /(?:[\w'-]+[ ,:;]+){3}[\w'-]+/.test(text))
          .map((text): Prose => ({ text, line: index + 1, kind: "string" })),
  );
}

/** Code blocks are not prose. Each item of a list, each cell of a table and each heading is a paragraph. */
function paragraphs(source: string): Prose[] {
  const found: Prose[] = [];
  let code = false;
  let begin = 0;
  let current: string[] = [];
  const flush = (): void => {
    if (current.length > 0) found.push({ text: current.join(" "), line: begin, kind: "paragraph" });
    current = [];
  };
  source.split("\n").forEach((text, index) => {
    if (/^\s*```/.test(text)) {
      flush();
      code = !code;
      return;
    }
    if (code) return;
    if (text.startsWith("|")) {
      flush();
      const cells = text.split("|").slice(1, -1);
      found.push(...cells.map((cell): Prose => ({ text: cell.trim(), line: index + 1, kind: "paragraph" })));
      return;
    }
    if (text.trim() === "" || /^\s*(?:[-*]|\d+\.|#+) /.test(text)) flush();
    if (text.trim() === "") return;
    if (current.length === 0) begin = index + 1;
    current.push(text.trim().replace(/^(?:[-*]|\d+\.|#+) /, ""));
    if (text.startsWith("#")) flush();
  });
  flush();
  return found;
}
