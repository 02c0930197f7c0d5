/** Common HTTP clients that send a request whose response may come before the end of the request. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ENV, run } from "./command.ts";
import { HTTP_VERSIONS, type HttpVersion, send } from "./http.ts";
import { findJudge, findPython } from "./judge.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures/early");
/** Limits the programs that run at the same time, for a client that runs one program per request. */
const PROGRAMS = 8;
const TIMEOUT_MS = 300_000;

export interface EarlyRequest {
  readonly url: string;
  readonly method: string;
  readonly contentType: string;
  /** Bytes of the body. */
  readonly size: number;
}

/** Sends the request a number of times. Returns the status of each response, or the error. */
export type SendEarly = (request: EarlyRequest, tries: number) => Promise<string[]>;

export interface EarlyClient {
  readonly name: string;
  /** True if the client can use TLS without checking the certificate. */
  readonly tls: boolean;
  /** Finds the program of the client. Returns undefined if the test is skipped without it. */
  find(t: TestContext): Promise<SendEarly | undefined> | SendEarly | undefined;
}

export const EARLY_CLIENTS: readonly EarlyClient[] = [
  { name: "curl over HTTP/2", tls: false, find: (t) => findCurl(t, "--http2-prior-knowledge") },
  { name: "curl over HTTP/2 and TLS", tls: true, find: (t) => findCurl(t, "--http2", "--insecure") },
  { name: "curl over HTTP/1.1", tls: false, find: (t) => findCurl(t, "--http1.1") },
  ...HTTP_VERSIONS.map((version) => ({
    name: version === "HTTP/2" ? "node:http2" : "node:http",
    tls: false,
    find: () => (request: EarlyRequest, tries: number) => sendByNode(version, request, tries),
  })),
  { name: "httpx over HTTP/2", tls: false, find: (t) => findPythonClient(t, "httpx", "h2") },
  { name: "requests over HTTP/1.1", tls: false, find: (t) => findPythonClient(t, "requests") },
  { name: "Go's net/http over HTTP/1.1", tls: false, find: findGo },
];

async function sendByNode(version: HttpVersion, request: EarlyRequest, tries: number): Promise<string[]> {
  const { url, method, contentType, size } = request;
  const { origin, pathname } = new URL(url);
  const outcomes: string[] = [];
  for (let i = 0; i < tries; i++) {
    const sent = { method, path: pathname, headers: { "content-type": contentType }, body: Buffer.alloc(size, " ") };
    outcomes.push(
      await send(version, origin, sent).then(
        ({ status }) => String(status),
        (error) => String(error),
      ),
    );
  }
  return outcomes;
}

function findCurl(t: TestContext, ...flags: readonly string[]): SendEarly | undefined {
  const curl = findJudge(t, "curl");
  if (curl === undefined) return undefined;
  return async ({ url, method, contentType, size }, tries) => {
    const folder = mkdtempSync(join(tmpdir(), "early-"));
    const body = join(folder, "body");
    writeFileSync(body, Buffer.alloc(size, " "));
    const args = [
      "-sS",
      "-m",
      "20",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "-X",
      method,
      "--data-binary",
      `@${body}`,
    ];
    const outcomes: string[] = [];
    const sendInTurn = async (): Promise<void> => {
      while (tries-- > 0) {
        const { code, stdout, stderr } = await run(curl, [
          ...args,
          ...flags,
          "-H",
          `content-type: ${contentType}`,
          url,
        ]);
        outcomes.push(code === 0 ? stdout : `${stdout} ${stderr.trim()}`);
      }
    };
    await Promise.all(Array.from({ length: PROGRAMS }, sendInTurn));
    rmSync(folder, { recursive: true });
    return outcomes;
  };
}

async function findPythonClient(
  t: TestContext,
  library: string,
  ...needed: readonly string[]
): Promise<SendEarly | undefined> {
  const python = await findPython(t, library, ...needed);
  if (python === undefined) return undefined;
  return (request, tries) => sendByProgram(python, [join(FIXTURES, "send.py"), library], request, tries);
}

async function findGo(t: TestContext): Promise<SendEarly | undefined> {
  const go = findJudge(t, "go");
  if (go === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "early-go-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, "send");
  const built = await run(go, ["build", "-o", program, join(FIXTURES, "main.go")], { timeout: TIMEOUT_MS });
  if (built.code !== 0) throw new Error(`build ${FIXTURES}/main.go: ${built.stderr}`);
  return (request, tries) => sendByProgram(program, [], request, tries);
}

/** Runs a program that prints the outcomes as JSON. */
async function sendByProgram(
  program: string,
  args: readonly string[],
  { url, method, contentType, size }: EarlyRequest,
  tries: number,
): Promise<string[]> {
  const all = [...args, url, method, contentType, String(size), String(tries)];
  const { code, stdout, stderr } = await run(program, all, { env: ENV, timeout: TIMEOUT_MS });
  if (code !== 0) throw new Error(`run ${program}: exit ${code}: ${stderr}`);
  return JSON.parse(stdout);
}
