/** Checks a document in a copy of the repository: runs its commands, compares what they print, and compiles its code. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findProgram } from "./judge.ts";
import { type CodeBlock, codeBlocks, strayDirectives } from "./markdown.ts";
import { Shell } from "./shell.ts";

/** A block or a command of a document, after its check. */
export interface Finding {
  readonly line: number;
  readonly text: string;
  /** The reason why the document is wrong; undefined if it is right. */
  readonly problem?: string;
  /** The program that the command needs and this machine lacks. */
  readonly absent?: string;
}

export interface CheckOptions {
  /** A copy of the repository, which the check changes. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** The longest time of a command. */
  readonly hangMs: number;
  /** Commands that are left out. */
  readonly notRun: readonly string[];
  /** Programs that a machine may lack, with the names to look for. */
  readonly programs: ReadonlyMap<string, readonly string[]>;
  /** Checks blocks of other languages that are not files. Each returns a problem or undefined. */
  readonly languages: Readonly<Record<string, (text: string) => Promise<string | undefined>>>;
}

/** The line that a server prints as soon as it accepts connections. */
const LISTENING = /^(?:\{.*"message":")?listening on /m;

/** The comments that may be in front of a block. */
const DIRECTIVE = /^(?:serves|serves instead|fails|appears|prints .+)$/;

/**
 * Checks the blocks in their order, as a reader would follow them:
 *
 * - `sh`: each command must exit with 0, or with another code after `<!-- test: fails -->`. After
 *   `<!-- test: prints PATTERN -->`, each command must print a match of the pattern. After `<!-- test: serves -->`, each
 *   command with ` &` at its end, or else the final one, is a server that runs to the end of the document.
 *   `<!-- test: serves instead -->` first ends the server that was started most recently.
 * - `text`: the previous `sh` block under the same heading must have printed these lines, with `...` for any text. After
 *   `<!-- test: appears -->`, the lines may come later, from a server.
 * - `diff`: a change of a file. Its first line is `--- PATH`. The others must apply at exactly one place, and so must each
 *   part if lines `@@` divide them.
 * - Others: a file, if the first line is a comment with its path. `ts` without a path is written below src/. The compiler
 *   must accept all `ts` at the end, and other files must be in a later command.
 */
export async function checkDocument(markdown: string, options: CheckOptions): Promise<readonly Finding[]> {
  const check = new DocumentCheck(options);
  try {
    for (const block of codeBlocks(markdown)) await check.block(block);
    await check.files();
    for (const { line, text } of strayDirectives(markdown)) {
      check.findings.push({ line, text, problem: "the next line does not begin a code block" });
    }
    return check.findings;
  } finally {
    await check.close();
  }
}

class DocumentCheck {
  readonly findings: Finding[] = [];
  readonly #options: CheckOptions;
  readonly #shell: Shell;
  /** The files that blocks wrote or changed, each with the line of its newest block. */
  readonly #files = new Map<string, number>();
  /** The commands, without those that are left out. */
  readonly #commandsRun: string[] = [];
  #printed = "";
  /** The heading of the previous `sh` block. */
  #heading = -1;
  /**
   * The newest absent program, and the heading of its block. Later commands under that heading may need its effects.
   */
  #absent: { readonly program: string; readonly heading: number } | undefined;

  constructor(options: CheckOptions) {
    this.#options = options;
    this.#shell = new Shell(options.folder, options.env, options.hangMs);
  }

  close(): Promise<void> {
    return this.#shell.close();
  }

  async block(block: CodeBlock): Promise<void> {
    const { language, text, line, directive = "appears" } = block;
    if (!DIRECTIVE.test(directive)) this.#add({ line, text: directive }, "unknown comment for the test");
    if (language === "sh") return this.#commands(block);
    const [firstLine = ""] = text.split("\n");
    const problem = await this.#problem(block);
    this.#add({ line, text: `${language}: ${firstLine}` }, problem);
  }

  async #problem(block: CodeBlock): Promise<string | undefined> {
    const { language } = block;
    if (language === "text") return this.#expected(block);
    if (language === "diff") return this.#change(block);
    if (await this.#file(block)) return undefined;
    const check = this.#options.languages[language];
    return check === undefined ? `no check for the language "${language}"` : check(block.text);
  }

  /**
   * Adds a finding for each file that the document wrote. The compiler checks `ts`. A command must name each other
   * file, except protos.
   */
  async files(): Promise<void> {
    const files = [...this.#files];
    const sources = files.filter(([path]) => path.endsWith(".ts"));
    if (sources.length > 0) await this.#compile(sources);
    for (const [path, line] of files.filter(([path]) => !/\.(?:ts|proto)$/.test(path))) {
      if (!this.#commandsRun.some((command) => command.includes(path)))
        this.#add({ line, text: path }, "no command uses this file");
    }
  }

  async #compile(sources: readonly (readonly [path: string, line: number])[]): Promise<void> {
    const config = { extends: "./tsconfig.json", include: ["src", "gen"] };
    await writeFile(join(this.#options.folder, "tsconfig.document.json"), JSON.stringify(config));
    const { code, output } = await this.#shell.run("tsc -p tsconfig.document.json --pretty false");
    const errors = output.split("\n").filter((each) => /\berror TS\d+/.test(each));
    for (const [path, line] of sources) {
      const own = errors.filter((error) => error.startsWith(`${path}(`));
      this.#add({ line, text: `compile ${path}` }, own.join("\n") || undefined);
    }
    const others = errors.filter((error) => !sources.some(([path]) => error.startsWith(`${path}(`)));
    if (others.length > 0) this.#add({ line: 1, text: "compile the other files" }, others.join("\n"));
    else if (code !== 0 && errors.length === 0) this.#add({ line: 1, text: "compile" }, output);
  }

  async #commands({ text, line, heading, directive }: CodeBlock): Promise<void> {
    this.#printed = "";
    this.#heading = heading;
    const commands = commandsOf(text);
    const serves = directive?.startsWith("serves");
    const inBackground = commands.some(({ command }) => command.endsWith(" &"));
    if (directive === "serves instead") await this.#shell.stop();
    for (const [index, { command: whole, offset }] of commands.entries()) {
      const command = this.#withoutNotRun(whole);
      if (command === "") continue;
      this.#commandsRun.push(command);
      const finding = { line: line + 1 + offset, text: whole };
      const absent = this.#absentProgram(command, heading);
      if (absent !== undefined) {
        this.findings.push({ ...finding, absent });
        continue;
      }
      const isServer = serves && (command.endsWith(" &") || (!inBackground && index === commands.length - 1));
      const run = isServer ? this.#serve(command) : this.#command(command, directive);
      this.#add(finding, await run.catch((error: Error) => error.message));
    }
  }

  async #serve(command: string): Promise<undefined> {
    await this.#shell.start(command, LISTENING);
    return undefined;
  }

  async #command(command: string, directive = ""): Promise<string | undefined> {
    const { code, output } = await this.#shell.run(command);
    this.#printed += output;
    if ((code !== 0) !== (directive === "fails")) return `exit code ${code}:\n${output}`;
    const [, pattern] = /^prints (.*)$/.exec(directive) ?? [];
    if (pattern !== undefined && !new RegExp(pattern).test(output)) return `it printed:\n${output}`;
    return undefined;
  }

  async #expected({ text, heading, directive }: CodeBlock): Promise<string | undefined> {
    if (heading === this.#absent?.heading) return undefined;
    const pattern = outputPattern(text);
    if (directive === "appears") {
      return this.#shell.waitFor(pattern).then(
        () => undefined,
        (error: Error) => error.message,
      );
    }
    if (heading !== this.#heading || pattern.test(this.#printed)) return undefined;
    return `the commands before it printed:\n${this.#printed}`;
  }

  /** Writes the block to its file. Returns false if it has no path. */
  async #file({ language, text, line }: CodeBlock): Promise<boolean> {
    const [, path = language === "ts" ? `src/document-${line}.ts` : undefined] =
      /^(?:\/\/|#) (\S+\.\w+)\n/.exec(text) ?? [];
    if (path !== undefined) await this.#write(path, text, line);
    return path !== undefined;
  }

  async #change({ text, line }: CodeBlock): Promise<string | undefined> {
    const [, path, body = ""] = /^--- (\S+)\n([\s\S]*)$/.exec(text) ?? [];
    if (path === undefined) return "the first line is not `--- PATH`";
    const source = await readFile(join(this.#options.folder, path), "utf8").catch(() => undefined);
    if (source === undefined) return `${path} does not exist`;
    let changed = source;
    for (const part of body.split(/^@@\n/m)) {
      const lines = part.replace(/\n$/, "").split("\n");
      const before = side(lines, "+");
      const places = changed.split(before).length - 1;
      if (places !== 1) return `${path} has these lines ${places} times:\n${before}`;
      changed = changed.replace(before, () => side(lines, "-"));
    }
    await this.#write(path, changed, line);
    return undefined;
  }

  async #write(path: string, text: string, line: number): Promise<void> {
    this.#files.set(path, line);
    const target = join(this.#options.folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }

  #add(finding: Finding, problem: string | undefined): void {
    this.findings.push(problem === undefined ? finding : { ...finding, problem });
  }

  #withoutNotRun(command: string): string {
    return command
      .split(" && ")
      .filter((part) => !this.#options.notRun.includes(part))
      .join(" && ");
  }

  /**
   * Returns the name of a program that the command needs and PATH lacks. After a command with an absent program, also
   * returns that one for later commands under the same heading.
   */
  #absentProgram(command: string, heading: number): string | undefined {
    if (heading === this.#absent?.heading) return this.#absent.program;
    const words = command.split(/[\s;|&()]+/);
    const needed = [...this.#options.programs].find(
      ([name, names]) => words.includes(name) && findProgram(...names) === undefined,
    );
    if (needed === undefined) return undefined;
    this.#absent = { program: needed[0], heading };
    return needed[0];
  }
}

/** Returns the commands of a block, without comments. A backslash at the end of a line continues a command. */
function commandsOf(text: string): { command: string; offset: number }[] {
  const found: { command: string; offset: number }[] = [];
  let begun: { command: string; offset: number } | undefined;
  text.split("\n").forEach((line, offset) => {
    if (begun === undefined && /^\s*(#|$)/.test(line)) return;
    begun = begun === undefined ? { command: line, offset } : { ...begun, command: `${begun.command}\n${line}` };
    if (line.endsWith("\\")) return;
    found.push(begun);
    begun = undefined;
  });
  return found;
}

/** Returns the lines of a diff except those that begin with `omitted`, each without its first character. */
function side(lines: readonly string[], omitted: "+" | "-"): string {
  return lines
    .filter((line) => !line.startsWith(omitted))
    .map((line) => `${line.slice(1)}\n`)
    .join("");
}

/** Returns a pattern for the lines, one after the other, with `...` for any text. */
function outputPattern(text: string): RegExp {
  const lines = text.trimEnd().split("\n");
  const patterns = lines.map((line) => line.split("...").map(RegExp.escape).join(".*"));
  return new RegExp(`^${patterns.join("\\n")}$`, "m");
}
