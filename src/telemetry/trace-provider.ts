/** The tracer of this process: OpenTelemetry's SDK, set up by the OTEL_* variables, or the provider of the application. */
import type { Log } from "../server/log/record.ts";
import {
  type Api,
  type BatchOptions,
  type Context,
  type Core,
  FLAG,
  type GlobalProvider,
  loadApi,
  loadContext,
  loadCore,
  loadExporter,
  loadResources,
  loadSdk,
  type Sampler,
  type SpanLimits,
  type Tracer,
  type TracerProvider,
} from "./opentelemetry.ts";
import { TelemetryError } from "./telemetry-error.ts";
import { createTraceLog, LoggingExporter, type TraceLog } from "./trace-export.ts";

/** The name of the instrumentation scope. */
const SCOPE = "@connect-sum/server";

/** The time after which the spans that are not sent are given up at the shutdown. */
const FLUSH_MS = 1_900;

export interface TraceProvider {
  readonly api: Api;
  readonly tracer: Tracer;
  /** The context of a span that begins a trace. The sampler of this process samples no other spans without a parent. */
  readonly root: Context;
  /** Sends all spans. Resolves when they are sent or lost, which may take long; never rejects. */
  flush(): Promise<void>;
}

/**
 * Returns the provider that the application has registered, or else registers one that exports by OTLP. Rejects with
 * TelemetryError if a package is missing or a variable is invalid.
 */
export async function createTraceProvider(log: Log): Promise<TraceProvider> {
  const api = await loadApi();
  const beginsTrace = api.createContextKey("begins a trace");
  const root = api.ROOT_CONTEXT.setValue(beginsTrace, true);
  const registered = registeredProvider(api);
  if (registered !== undefined) {
    const { forceFlush } = registered;
    const flush = async () => forceFlush?.call(registered).catch(() => {}); // the application logs its own failures
    return { api, tracer: registered.getTracer(SCOPE), root, flush };
  }
  const traceLog = createTraceLog(log);
  const { provider, exporter } = await registerProvider(api, traceLog, beginsTrace);
  const flush = async (): Promise<void> => {
    const timer = setTimeout(() => {
      traceLog(
        `export traces: timed out at the shutdown after ${FLUSH_MS} ms; spans lost: ${exporter?.pendingSpans ?? 0}`,
      );
    }, FLUSH_MS);
    await provider.shutdown().catch((error) => traceLog(`shut down the export of traces: ${error}`));
    clearTimeout(timer);
  };
  return { api, tracer: provider.getTracer(SCOPE), root, flush };
}

interface Flushable extends GlobalProvider {
  forceFlush?(): Promise<void>;
}

/** Returns the provider that is registered globally, or undefined without one. */
function registeredProvider(api: Api): Flushable | undefined {
  const proxy = api.trace.getTracerProvider();
  // The proxy is of another class if the application has another version of the API.
  const isOurs = proxy instanceof api.ProxyTracerProvider;
  if (isOurs && proxy.getDelegateTracer(SCOPE) === undefined) return undefined;
  return (proxy as { getDelegate?(): Flushable }).getDelegate?.() ?? proxy;
}

/** Registers a provider, a context manager and a propagator. Warnings of the SDK then go to `log`. */
async function registerProvider(
  api: Api,
  log: TraceLog,
  beginsTrace: symbol,
): Promise<{ provider: TracerProvider; exporter: LoggingExporter | undefined }> {
  const core = await loadCore();
  const sdk = await loadSdk();
  const hooks = await loadContext();
  const resources = await loadResources();
  api.context.setGlobalContextManager(new hooks.AsyncLocalStorageContextManager());
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  const warn = (message: string): void => log(`export traces: ${message}`);
  const none = (): void => {};
  const logger = { error: warn, warn, info: none, debug: none, verbose: none };
  api.diag.setLogger(logger, { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true });

  const exporter = await createExporter(log);
  const detectors = [resources.resourceAttributesEnvDetector, resources.serviceNameEnvDetector];
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(resources.detectResources({ detectors })),
    sampler: new sdk.ParentBasedSampler({ root: rootSampler(api, beginsTrace) }),
    spanLimits: spanLimits(core),
    spanProcessors: exporter === undefined ? [] : [new sdk.BatchSpanProcessor({ exporter, ...batchOptions(core) })],
  });
  api.trace.setGlobalTracerProvider(provider);
  return { provider, exporter };
}

/**
 * Returns a sampler that samples the spans of calls, which were chosen before. Other spans without a parent are not sampled:
 * most are of handlers whose call was not chosen.
 */
function rootSampler({ SamplingDecision }: Api, beginsTrace: symbol): Sampler {
  const { RECORD_AND_SAMPLED, NOT_RECORD } = SamplingDecision;
  return {
    shouldSample: (context) => ({ decision: context.getValue(beginsTrace) === true ? RECORD_AND_SAMPLED : NOT_RECORD }),
    toString: () => "CallSampler",
  };
}

/** Returns the exporter that the variables ask for. Returns undefined for OTEL_TRACES_EXPORTER=none. */
async function createExporter(log: TraceLog): Promise<LoggingExporter | undefined> {
  if (variable("OTEL_TRACES_EXPORTER", ["otlp", "none"]) === "none") return undefined;
  variable("OTEL_EXPORTER_OTLP_PROTOCOL", ["http/protobuf"]);
  variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", ["http/protobuf"]);
  checkUrl("OTEL_EXPORTER_OTLP_ENDPOINT");
  checkUrl("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  // The exporter would load these at the first export, which stops all calls for some 20 ms.
  await Promise.all([import("node:http"), import("node:https")]);
  const { OTLPTraceExporter } = await loadExporter();
  return new LoggingExporter(new OTLPTraceExporter(), log);
}

/** Returns the value of a variable, or undefined if it is unset. Throws TelemetryError if the value is not allowed. */
function variable(name: string, allowed: readonly string[]): string | undefined {
  const value = process.env[name]?.trim() || undefined;
  if (value === undefined || allowed.includes(value)) return value;
  throw new TelemetryError(2, `${name}: ${JSON.stringify(value)} must be ${allowed.join(" or ")} with ${FLAG}`);
}

/** Throws TelemetryError if the variable is set, but not a URL. The value may have a password, so it is not in the message. */
function checkUrl(name: string): void {
  const value = process.env[name]?.trim() || undefined;
  if (value === undefined || /^https?:$/.test(URL.parse(value)?.protocol ?? "")) return;
  throw new TelemetryError(2, `${name}: the value must be a URL that begins with http:// or https://`);
}

/** Reads the options of the batch processor. Each number must be positive, since the SDK checks only that it is a number. */
function batchOptions(core: Core): Omit<BatchOptions, "exporter"> {
  return numbers(core, 1, {
    maxExportBatchSize: ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
    maxQueueSize: ["OTEL_BSP_MAX_QUEUE_SIZE"],
    scheduledDelayMillis: ["OTEL_BSP_SCHEDULE_DELAY"],
    exportTimeoutMillis: ["OTEL_BSP_EXPORT_TIMEOUT"],
  });
}

function spanLimits(core: Core): SpanLimits {
  return numbers(core, 0, {
    attributeCountLimit: ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
    attributeValueLengthLimit: ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
    eventCountLimit: ["OTEL_SPAN_EVENT_COUNT_LIMIT"],
    linkCountLimit: ["OTEL_SPAN_LINK_COUNT_LIMIT"],
    attributePerEventCountLimit: ["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"],
    attributePerLinkCountLimit: ["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"],
  });
}

/** Returns the number of the first variable that is set and at least `min`, for each option that has one. */
function numbers(
  { getNumberFromEnv }: Core,
  min: number,
  variables: Readonly<Record<string, readonly string[]>>,
): Record<string, number> {
  const read = (names: readonly string[]) =>
    names.map(getNumberFromEnv).find((value) => value !== undefined && value >= min);
  const values = Object.entries(variables).map(([option, names]) => [option, read(names)] as const);
  return Object.fromEntries(values.filter((entry): entry is [string, number] => entry[1] !== undefined));
}
