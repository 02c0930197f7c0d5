/** Clients that are programs: ghz and grpcurl, in Go, and Python's grpcio. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { ENV, ROOT, run } from "../support/command.ts";
import { findProgram, PYTHON } from "../support/judge.ts";
import { CALL_MS, type Client, type Loss } from "./client.ts";

const NUMBERS = '{"a":1,"b":2}';
const CONTRACT = "test/proto/calls/v1/calls.proto";
/** Callers of ghz, which call at the same time. */
const GHZ_CALLERS = 8;
/** The calls that ghz may lose for each close. At an age of 1 s it has lost 2 calls in 5 s, and in most runs none. */
const UNSENT_CALLS = 2;

/**
 * grpc-go 1.56, which ghz has, may lose a call that it has queued and not sent when it reads GOAWAY. The server cannot prevent
 * that, and grpc-go's own server loses as many. Calls that were sent would fail with other texts.
 */
const UNSENT: Loss = {
  calls: UNSENT_CALLS,
  reason: /^rpc error: code = Unavailable desc = (?:transport is closing|the connection is draining)$/,
};

export const OUTSIDE_CLIENTS: readonly Client[] = [
  ghz("gRPC, ghz (grpc-go)"),
  {
    name: "gRPC, grpcurl (grpc-go)",
    note: "a new connection for each call",
    absent: absent("grpcurl"),
    mustSpan: false,
    async run(authority, calls, stop) {
      while (!stop.aborted) await calls.make(() => callByGrpcurl(authority), CALL_MS);
    },
  },
  {
    name: "gRPC, Python grpcio",
    absent: absent(PYTHON) ?? absentModule(),
    mustSpan: false,
    async run(authority, calls, stop) {
      const child = start(PYTHON, [join(import.meta.dirname, "grpcio.py"), authority]);
      stop.addEventListener("abort", () => child.stdin.end());
      for (const [begin, ms, failure] of JSON.parse(await output(child)) as [number, number, string | null][]) {
        calls.add(begin, ms, failure ?? undefined);
      }
    },
  },
];

/** Returns a client of ghz with further flags. `scheme` comes before the authority, such as "dns:///". */
export function ghz(name: string, flags: readonly string[] = [], scheme = ""): Client {
  return {
    name,
    note: `may drop calls that it has not sent when it reads GOAWAY: at most ${UNSENT_CALLS} for each close`,
    mayLose: UNSENT,
    absent: absent("ghz"),
    mustSpan: false,
    async run(authority, calls, stop) {
      const load = [
        "-c",
        String(GHZ_CALLERS),
        "--connections",
        "4",
        "--rps",
        "400",
        "--duration",
        "1h",
        "--timeout",
        `${CALL_MS}ms`,
      ];
      const what = ["--insecure", "--proto", CONTRACT, "--call", "calls.v1.CallService.Add", "-d", NUMBERS];
      const child = start("ghz", [...what, ...load, ...flags, "-O", "json", `${scheme}${authority}`]);
      let stoppedAt = Number.POSITIVE_INFINITY;
      stop.addEventListener("abort", () => {
        stoppedAt = Date.now();
        child.kill("SIGINT");
      });
      const { details }: { details: GhzCall[] } = JSON.parse(await output(child));
      for (const { timestamp, latency, error } of details) {
        const begin = Date.parse(timestamp);
        const ms = latency / 1e6;
        // On SIGINT, ghz cancels its own calls.
        if (error !== "" && begin + ms >= stoppedAt) continue;
        calls.add(begin, ms, error === "" ? undefined : error);
      }
    },
  };
}

interface GhzCall {
  readonly timestamp: string;
  /** The latency in ns. */
  readonly latency: number;
  /** The error; empty if the call succeeded. */
  readonly error: string;
}

async function callByGrpcurl(authority: string): Promise<void> {
  const { code, stdout, stderr } = await run("grpcurl", [
    ...["-plaintext", "-proto", CONTRACT, "-d", NUMBERS],
    ...[authority, "calls.v1.CallService/Add"],
  ]);
  if (code !== 0 || !/"sum": 3/.test(stdout)) throw new Error(`exit ${code}: ${stderr.trim().replaceAll(/\s+/g, " ")}`);
}

/** Starts a program, which is killed when this process exits. */
function start(command: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(command, args, { cwd: ROOT, env: ENV, stdio: "pipe" });
  const kill = (): void => void child.kill("SIGKILL");
  process.on("exit", kill);
  child.on("close", () => process.off("exit", kill));
  return child;
}

/** Returns the output of the program. Rejects if it fails. */
async function output(child: ChildProcessWithoutNullStreams): Promise<string> {
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  if (code !== 0) throw new Error(`run ${child.spawnfile}: exit ${code}: ${stderr.trim()}`);
  return stdout;
}

function absent(program: string): string | undefined {
  return findProgram(program) === undefined ? `${program} is not on PATH` : undefined;
}

function absentModule(): string | undefined {
  const { status } = spawnSync(PYTHON, ["-c", "import grpc"], { stdio: "ignore" });
  return status === 0 ? undefined : `${PYTHON} has no grpcio; PYTHON may name another`;
}
