/** Starts Jaeger and OpenTelemetry's collector, which test/telemetry/build-tools.sh builds, and reads traces from Jaeger. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findJudge } from "../../support/judge.ts";

const READY_MS = 20_000;
const LOOPBACK = "127.0.0.1";

/** One span, as Jaeger shows it. */
export interface JaegerSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** The id of the parent span. Undefined for the first span of a trace. */
  readonly parentId: string | undefined;
  /** The spans that are linked, as "trace id/span id". */
  readonly links: readonly string[];
  /** In microseconds since 1970. */
  readonly startTime: number;
  /** In microseconds. */
  readonly duration: number;
  readonly tags: Readonly<Record<string, unknown>>;
  /** The attributes of the resource, with `service.name`. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** The part of a test that the programs need: a test, or the hooks of several tests. */
export interface Owner {
  after(end: () => Promise<void>): void;
  skip(reason?: string): void;
}

export interface Jaeger {
  /** The URLs for OTEL_EXPORTER_OTLP_ENDPOINT, and the address of OTLP over gRPC. */
  readonly endpoint: string;
  readonly grpcAddress: string;
  /** Returns all spans of a service. */
  spans(service: string): Promise<JaegerSpan[]>;
}

/** Starts Jaeger with storage in memory. Returns undefined if it is not installed, and skips the test then. */
export async function startJaeger(t: Owner): Promise<Jaeger | undefined> {
  const program = findJudge(t, "jaeger");
  if (program === undefined) return undefined;
  const [http, grpc, query, queryGrpc] = await freePorts(4);
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: at(http) }, grpc: { endpoint: at(grpc) } } } },
    exporters: { jaeger_storage_exporter: { trace_storage: "memory" } },
    extensions: {
      jaeger_storage: { backends: { memory: { memory: { max_traces: 100_000 } } } },
      jaeger_query: {
        storage: { traces: "memory" },
        http: { endpoint: at(query) },
        grpc: { endpoint: at(queryGrpc) },
      },
    },
    service: {
      extensions: ["jaeger_storage", "jaeger_query"],
      pipelines: { traces: { receivers: ["otlp"], exporters: ["jaeger_storage_exporter"] } },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
  };
  await startProgram(t, program, config, `http://${at(query)}/api/services`);
  const spans = async (service: string) => readSpans(`http://${at(query)}/api/traces?limit=5000&service=${service}`);
  return { endpoint: `http://${at(http)}`, grpcAddress: at(grpc), spans };
}

export interface Collector {
  readonly endpoint: string;
  /** Ends the collector, which first sends the spans that it has. Returns its log, with all spans in text. */
  end(): Promise<string>;
}

/** Starts a collector that passes spans on to `jaeger`. Returns undefined if it is not installed, and skips the test then. */
export async function startCollector(t: Owner, jaeger: Jaeger): Promise<Collector | undefined> {
  const program = findJudge(t, "otelcol");
  if (program === undefined) return undefined;
  const [port] = await freePorts(1);
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: at(port) } } } },
    processors: { batch: { timeout: "50ms" } },
    exporters: {
      otlp_grpc: { endpoint: jaeger.grpcAddress, tls: { insecure: true } },
      debug: { verbosity: "detailed" },
    },
    service: {
      pipelines: { traces: { receivers: ["otlp"], processors: ["batch"], exporters: ["otlp_grpc", "debug"] } },
      telemetry: { metrics: { level: "none" } },
    },
  };
  const end = await startProgram(t, program, config, `http://${at(port)}/`);
  return { endpoint: `http://${at(port)}`, end };
}

/** Starts the program, and waits until `url` responds. Returns a function that ends it and returns its stderr. */
async function startProgram(t: Owner, program: string, config: object, url: string): Promise<() => Promise<string>> {
  const folder = await mkdtemp(join(tmpdir(), "traces-"));
  const file = join(folder, "config.yaml");
  await writeFile(file, JSON.stringify(config)); // JSON is YAML
  const child = spawn(program, ["--config", file], { stdio: ["ignore", "ignore", "pipe"] });
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL"); // it would wait for the idle connections of fetch
    await exit;
    await rm(folder, { recursive: true });
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const until = performance.now() + READY_MS;
  while (!(await responds(url))) {
    assert.ok(performance.now() < until && child.exitCode === null, `start ${program}: ${stderr}`);
    await sleep(50);
  }
  return async () => {
    child.kill();
    await exit;
    return stderr;
  };
}

async function responds(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function readSpans(url: string): Promise<JaegerSpan[]> {
  const { data } = (await (await fetch(url)).json()) as { data: JaegerTrace[] | null };
  return (data ?? []).flatMap(({ spans, processes }) =>
    spans.map(({ operationName, traceID, spanID, references, startTime, duration, tags, processID }) => {
      const { serviceName = "", tags: resource = [] } = processes[processID] ?? {};
      const parent = references.find(({ refType }) => refType === "CHILD_OF");
      const links = references.filter(({ refType }) => refType === "FOLLOWS_FROM");
      return {
        name: operationName,
        traceId: traceID,
        spanId: spanID,
        parentId: parent?.spanID,
        links: links.map((link) => `${link.traceID}/${link.spanID}`),
        startTime,
        duration,
        tags: toRecord(tags),
        resource: { ...toRecord(resource), "service.name": serviceName },
      };
    }),
  );
}

interface JaegerTrace {
  readonly spans: readonly {
    readonly operationName: string;
    readonly traceID: string;
    readonly spanID: string;
    readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
    readonly startTime: number;
    readonly duration: number;
    readonly tags: readonly JaegerTag[];
    readonly processID: string;
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string; readonly tags?: readonly JaegerTag[] }>>;
}

interface JaegerTag {
  readonly key: string;
  readonly value: unknown;
}

function toRecord(tags: readonly JaegerTag[]): Record<string, unknown> {
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]));
}

/** Returns ports below those of outgoing connections, so that none of these takes a port before its program does. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once("error", () => resolve(false));
  server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  return promise;
}

function at(port: number | undefined): string {
  return `${LOOPBACK}:${port}`;
}
