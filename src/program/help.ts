/** Makes the text that `--help` prints. */
import { basename } from "node:path";
import { LIMIT_SETTINGS } from "../cli/limit-settings.ts";
import type { Setting } from "../cli/setting.ts";
import { LIMIT_GROUPS } from "../server/limits/definition.ts";
import { LIMITS } from "../server/limits/limits.ts";
import { settingsOf } from "./config.ts";

const WIDTH_COLUMNS = 100;
const INDENT = "      ";

const GROUPS = Object.entries(LIMIT_GROUPS).map(([group, heading]) => {
  const settings = LIMIT_SETTINGS.filter(({ name }) => LIMITS[name].group === group);
  return `${heading}:\n\n${settings.map(describe).join("\n")}`;
});

/** Returns the text. `hasPage` is true if the program has a page. */
export function helpText({ hasPage } = { hasPage: true }): string {
  const command = commandLine();
  return `usage: ${command} [flags]
       ${command} probe --help

Each flag has an environment variable, which is in brackets. If both are set, the flag counts.
A DURATION is a number of ms, or has a unit: ms, s, m or h. A SIZE is a number of bytes, or has a
unit: KiB, MiB or GiB.

Settings:

${settingsOf({ hasPage }).map(describe).join("\n")}
  --help, -h
${INDENT}print this text
  --version, -V
${INDENT}print the version

The limits below protect the server from clients that use too much. The value off turns a limit
off. docs/limits.md of the server describes the effect of each limit and the reason for its
default.

${GROUPS.join("\n\n")}
`;
}

/** Returns the command that runs this program, to which flags can be added. */
function commandLine(): string {
  const { npm_lifecycle_event: script } = process.env;
  if (script === "start") return "npm start --";
  return script === undefined ? `node ${basename(process.argv[1] ?? "FILE")}` : `npm run ${script} --`;
}

function describe({ flag, env, takes, default: value, defaultNote, help }: Setting<unknown>): string {
  const byDefault = value ? `, default ${value}` : "";
  const text = defaultNote === undefined ? help : `${help}; by default ${defaultNote}`;
  return `  --${flag} ${takes}  [${env}${byDefault}]\n${wrap(withFlags(text))}`;
}

/** Replaces the name of each limit by its flag, such as `readRateMs` by `--read-rate-ms`. */
function withFlags(text: string): string {
  return text.replaceAll(/\b[a-z]+[A-Z]\w*/g, (word) => {
    const setting = LIMIT_SETTINGS.find(({ name }) => name === word);
    return setting === undefined ? word : `--${setting.flag}`;
  });
}

/** Breaks a text into indented lines of at most WIDTH_COLUMNS. */
function wrap(text: string): string {
  const lines: string[] = [];
  let line = INDENT;
  for (const word of text.split(" ")) {
    if (line.length + word.length > WIDTH_COLUMNS) {
      lines.push(line.trimEnd());
      line = INDENT;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()].join("\n");
}
