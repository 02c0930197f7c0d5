/** The exporter of traces: sends spans by OTLP, and turns each of its failures into at most one line of the log a minute. */
import type { Log } from "../server/log/record.ts";
import type { ExportResult, ReadableSpan, SpanExporter } from "./opentelemetry.ts";

/** The time in which the log gets at most one line of traces, because a collector may be away for days. */
const PAUSE_MS = 60_000;

/** ExportResultCode.SUCCESS of @opentelemetry/core. */
const SUCCESS = 0;

/** Logs a problem of the export. Logs nothing for a minute after that. */
export type TraceLog = (message: string) => void;

/** Returns a log of problems that writes to `log`. */
export function createTraceLog(log: Log): TraceLog {
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (message) => {
    const now = performance.now();
    if (now - loggedAt < PAUSE_MS) return;
    loggedAt = now;
    log({ level: "warn", event: "trace_export", message });
  };
}

/**
 * Passes spans to an exporter, and logs its failures. Reports success to the SDK in any case. Otherwise the SDK would log a
 * failure again. An exception in its batch processor could end the process.
 */
export class LoggingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #log: TraceLog;
  #pending = 0;
  #lost = 0;

  constructor(exporter: SpanExporter, log: TraceLog) {
    this.#exporter = exporter;
    this.#log = log;
  }

  /** The number of spans that the exporter has, but has not sent. */
  get pendingSpans(): number {
    return this.#pending;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    let isDone = false;
    this.#pending += spans.length;
    const finish = (error: unknown): void => {
      if (isDone) return;
      isDone = true;
      this.#pending -= spans.length;
      if (error !== undefined) {
        this.#lost += spans.length;
        this.#log(`export traces: ${reasonOf(error)}; spans lost: ${this.#lost}`);
      }
      done({ code: SUCCESS });
    };
    try {
      this.#exporter.export(spans, ({ code, error }) =>
        finish(code === SUCCESS ? undefined : (error ?? "no reason given")),
      );
    } catch (error) {
      finish(error);
    }
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }
}

/** Returns the first line of an error's message. An error of several addresses has only a code. */
function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: unknown; code?: unknown };
  const text = String(message || code || error);
  return text.split("\n", 1)[0] as string;
}
