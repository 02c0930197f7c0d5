/**
 * The histogram of call durations, with the names of OpenTelemetry's RPC conventions. Counted without a library, because the
 * histograms of libraries cost a third of a call.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import type { ObservedCall, Observer } from "../server/rpc/observer.ts";
import type { Metric, Sample } from "./metric.ts";
import { isLeftOut, isServerError, type RpcSystem, rpcMethod, rpcStatusCode } from "./rpc-attributes.ts";

const NAME = "rpc_server_call_duration_seconds";

/** The bounds of the conventions, in seconds. */
const DEFAULT_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** The number of the largest status code. */
const MAX_CODE = 16;
const UNKNOWN = 2;

/**
 * The calls of one method over one protocol: for each status code a histogram, which is undefined until a call has the code.
 * A histogram begins with the number of calls in each bucket. The number of calls above the last bound and the sum of ms
 * follow. The numbers are doubles, since 32 bits would overflow after half a day of 100,000 calls a second.
 */
type Cell = (Float64Array | undefined)[];

/** The cells of one method. gRPC-Web counts as gRPC. */
type Cells = { readonly [System in RpcSystem]: Cell };

/** Counts the calls in buckets. The number of series is bounded by the methods that are served, so clients cannot add series. */
export class CallDurations implements Observer {
  readonly #boundsMs: Float64Array;
  readonly #bounds: readonly number[];
  /** Undefined for a method that is left out. Contains only methods that are served, so clients cannot fill it. */
  readonly #methods = new Map<DescMethod, Cells | undefined>();
  readonly #other: Cells = { grpc: [], connectrpc: [] };

  /** `bounds` are the upper bounds of the buckets in seconds, in ascending order. */
  constructor(bounds: readonly number[] = DEFAULT_BOUNDS) {
    this.#bounds = bounds;
    this.#boundsMs = Float64Array.from(bounds, (seconds) => toMs(seconds));
  }

  /** Counts one call. Takes about 50 ns, and allocates nothing after the first call of a method with a code. */
  end(call: ObservedCall, code: Code | undefined): void {
    const cells = this.#cells(call.method);
    if (cells === undefined) return;
    const cell = call.protocolName === "connect" ? cells.connectrpc : cells.grpc;
    const histogram = cell[code ?? 0] ?? this.#addHistogram(cell, code);
    const ms = performance.now() - call.startedAt;
    const bounds = this.#boundsMs;
    // Begins at the first bound, so a search costs least for the calls that take least.
    let bucket = 0;
    while (bucket < bounds.length && ms > (bounds[bucket] as number)) bucket++;
    (histogram[bucket] as number)++;
    (histogram[bounds.length + 1] as number) += ms;
  }

  #cells(method: DescMethod | undefined): Cells | undefined {
    if (method === undefined) return this.#other;
    const cells = this.#methods.get(method);
    if (cells !== undefined || this.#methods.has(method)) return cells;
    const added = isLeftOut(method) ? undefined : { grpc: [], connectrpc: [] };
    this.#methods.set(method, added);
    return added;
  }

  /** A handler may throw a ConnectError with any number, so the number of codes has to be bounded. */
  #addHistogram(cell: Cell, code: Code | undefined): Float64Array {
    const index = code === undefined ? 0 : code >= 1 && code <= MAX_CODE && Number.isInteger(code) ? code : UNKNOWN;
    cell[index] ??= new Float64Array(this.#boundsMs.length + 2);
    return cell[index];
  }

  /** Returns the metric of all calls that have ended. */
  read(): Metric {
    const values: Sample[] = [];
    for (const [method, cells] of [...this.#methods, [undefined, this.#other] as const]) {
      if (cells === undefined) continue;
      for (const system of ["grpc", "connectrpc"] as const)
        for (const [code, histogram] of cells[system].entries())
          if (histogram !== undefined) values.push(...this.#samples(labelsOf(system, method, code), histogram));
    }
    const help = "Time from the head of a request to the end of its response. Without health and reflection.";
    return { name: NAME, help, type: "histogram", values, aggregator: "sum" };
  }

  #samples(labels: Sample["labels"], histogram: Float64Array): Sample[] {
    const samples: Sample[] = [];
    let count = 0;
    for (const [bucket, le] of [...this.#bounds, "+Inf"].entries()) {
      count += histogram[bucket] as number;
      samples.push({ metricName: `${NAME}_bucket`, labels: { ...labels, le }, value: count });
    }
    const sum = (histogram[this.#bounds.length + 1] as number) / 1_000;
    samples.push(
      { metricName: `${NAME}_sum`, labels, value: sum },
      { metricName: `${NAME}_count`, labels, value: count },
    );
    return samples;
  }
}

/** Returns the attributes of the conventions as labels. `code` is 0 for success. */
function labelsOf(system: RpcSystem, method: DescMethod | undefined, code: Code | 0): Sample["labels"] {
  const status = rpcStatusCode(system, code === 0 ? undefined : code);
  const labels = { rpc_system_name: system, rpc_method: rpcMethod(method), rpc_status_code: status };
  return code !== 0 && isServerError(code) ? { ...labels, error_type: status } : labels;
}

/** Returns seconds in ms, without the error of a product: 0.07 * 1_000 is more than 70. */
function toMs(seconds: number): number {
  return Number((seconds * 1_000).toPrecision(12));
}
