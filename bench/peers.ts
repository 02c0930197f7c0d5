/** The servers that are compared, with their versions and the commands that build and start them. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SERVER } from "../test/support/certificates.ts";
import { STATIC_RESPONSE } from "./cells.ts";
import { PATH } from "./servers/add.ts";
import { Absent, BUILD, buildGo, find, goVersion, output } from "./toolchain.ts";

export interface Peer {
  /** Returns the version of the server's library. */
  readonly version: () => string;
  /**
   * Builds the server, and returns the command that starts it. An argument PORT in the command stands for a free port.
   * A server without this argument chooses its port and prints it. Throws Absent if a tool is not installed or fails.
   */
  readonly command: () => readonly string[];
}

/** The port of the collector of traces. */
const SINK_PORT = 24_318;
const FOLDER = join(import.meta.dirname, "peers");
const ROOT = join(import.meta.dirname, "..");
const own = (...args: string[]) => node("own.ts", () => npmVersion(join(ROOT, "package.json")), ...args);
const connectNode = packageVersion("@connectrpc/connect-node", ROOT);
const ofNode = () => process.version;

/** The servers by name. "this server" has the default options of createServer. */
export const PEERS = {
  "this server": own(),
  "this server on node:http2": own("--http2", "node"),
  "this server without the fast path": own("--no-fast-path"),
  "this server, async handler": own("--async"),
  "this server, interceptor": own("--interceptor"),
  "this server without limits": own("--no-limits"),
  "this server, TLS": withTls(own()),
  "this server, program": program(),
  "this server with metrics": program("--admin-port", "0"),
  "this server with everything at 1 %": program(
    ...["--admin-port", "0", "--trace-ratio", "0.01", "--access-log-ratio", "0.01", "--log-format", "json"],
  ),
  "this server, 2 workers": program("--workers", "2"),
  "node:http2": node("node-http2.ts", ofNode),
  "node:http": node("node-http.ts", ofNode),
  "connect-node": node("connect-node.ts", connectNode),
  "connect-node on node:http": node("connect-node.ts", connectNode, "1.1"),
  "grpc-js": node("grpc-js.ts", packageVersion("@grpc/grpc-js", import.meta.dirname)),
  fastify: node("fastify.ts", packageVersion("fastify", import.meta.dirname)),
  grpcio: {
    version: () => output([python(), "-c", "import grpc; print(grpc.__version__)"]),
    command() {
      const out = join(BUILD, "grpcio");
      mkdirSync(out, { recursive: true });
      const args = [`-I${join(ROOT, "test/proto")}`, `--python_out=${out}`, `--grpc_python_out=${out}`];
      output([python(), "-m", "grpc_tools.protoc", ...args, "calls/v1/calls.proto"]);
      return ["env", `PYTHONPATH=${out}`, python(), join(FOLDER, "grpcio/server.py")];
    },
  },
  "grpc-go": go("grpc", "google.golang.org/grpc"),
  "grpc-go, TLS": withTls(go("grpc", "google.golang.org/grpc")),
  "connect-go": go("connect", "connectrpc.com/connect"),
  tonic: {
    version: () => /^tonic = "=(.+)"$/m.exec(readFileSync(join(FOLDER, "tonic/Cargo.toml"), "utf8"))?.[1] ?? "",
    command() {
      const target = join(BUILD, "tonic");
      const cargo = find("cargo", "install Rust");
      output([cargo, "build", "--release", "--locked", "--target-dir", target], join(FOLDER, "tonic"));
      return [join(target, "release/bench-tonic")];
    },
  },
  nghttpd: nghttp2("--no-tls"),
  "nghttpd, TLS": nghttp2("--tls"),
} satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

function node(file: string, version: () => string, ...args: string[]): Peer {
  return { version, command: () => [process.execPath, join(import.meta.dirname, "servers", file), ...args] };
}

/** Returns this server as a program with these flags. The access log is written to /dev/null. */
function program(...flags: string[]): Peer {
  const file = join(import.meta.dirname, "servers/program.ts");
  return {
    version: () => npmVersion(join(ROOT, "package.json")),
    command() {
      if (flags.includes("--trace-ratio")) startSink();
      const quiet = ["sh", "-c", 'exec "$0" "$@" 2>/dev/null'];
      const variables = ["env", `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:${SINK_PORT}`];
      return [...quiet, ...variables, process.execPath, file, "--port", "PORT", ...flags];
    },
  };
}

let isSinkStarted = false;

/** Starts the collector of traces, if it was not started before. The collector ends with this process. */
function startSink(): void {
  if (isSinkStarted) return;
  isSinkStarted = true;
  const child = spawn(process.execPath, [join(import.meta.dirname, "servers/otlp-sink.ts"), String(SINK_PORT)]);
  process.on("exit", () => child.kill());
}

function go(name: string, module: string): Peer {
  return { version: () => goVersion(module), command: () => [buildGo(name)] };
}

/** Returns the server over TLS: its last arguments are the files of a certificate and of its key. */
function withTls({ version, command }: Peer): Peer {
  return { version, command: () => [...command(), ...writeCertificate()] };
}

function writeCertificate(): readonly [cert: string, key: string] {
  const [cert, key] = [join(BUILD, "cert.pem"), join(BUILD, "key.pem")] as const;
  mkdirSync(BUILD, { recursive: true });
  writeFileSync(cert, SERVER.cert);
  writeFileSync(key, SERVER.key);
  return [cert, key];
}

function nghttp2(security: "--no-tls" | "--tls"): Peer {
  return {
    version: () => output([nghttpd(), "--version"]).replace(/^.*\//, ""),
    command() {
      const folder = join(BUILD, "nghttpd");
      mkdirSync(join(folder, dirname(PATH)), { recursive: true });
      writeFileSync(join(folder, PATH), STATIC_RESPONSE);
      const options = ["--address=127.0.0.1", `--htdocs=${folder}`, "--trailer=grpc-status: 0"];
      if (security === "--no-tls") return [nghttpd(), security, ...options, "PORT"];
      return [nghttpd(), ...options, "PORT", ...writeCertificate().toReversed()];
    },
  };
}

function python(): string {
  const { PYTHON } = process.env;
  if (PYTHON === undefined) throw new Absent("PYTHON is not set; set it to a Python with grpcio and grpcio-tools");
  return PYTHON;
}

function nghttpd(): string {
  return find("nghttpd", "on Debian: apt-get install nghttp2-server");
}

function packageVersion(name: string, root: string): () => string {
  return () => npmVersion(join(root, "node_modules", name, "package.json"));
}

function npmVersion(path: string): string {
  return JSON.parse(readFileSync(path, "utf8")).version;
}
