/**
 * The benchmark figures on the page, from the newest whole run. The benchmark writes them to bench/results/page.json.
 * web/build.ts defines BENCHMARK when it bundles the page.
 */

export interface Benchmark {
  /** Like "2026-11-24". */
  readonly date: string;
  readonly cpu: string;
  readonly os: string;
  readonly node: string;
  /** The request headers of the calls: with a timeout, trace context and request id that differ on each call, or equal. */
  readonly heads: Heads;
  /**
   * Figures of GetSum on 64 connections with one call in flight on each. `grpc` is gRPC over HTTP/2; `json` is Connect
   * JSON over HTTP/1.1.
   */
  readonly grpc: Figures;
  readonly json: Figures;
  /** The rows of the chart, in ascending order of CPU time. */
  readonly rows: readonly Row[];
  /** The powers of ten, in microseconds, that the chart's axis marks. */
  readonly ticks: readonly number[];
  /**
   * The run's own chart, which the page shows when the user opens it. In page.json, the name of a file in the same
   * folder; on the page, the path from which the server serves it.
   */
  readonly chart: string;
}

export type Heads = "trace" | "equal";

export interface Figures {
  /** CPU time of the server per call. */
  readonly cpuMicroseconds: number;
  /** Bytes of one call in each direction, with headers, without TCP and IP. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface Row {
  readonly server: string;
  /** The version of the server's library; "" for this server. */
  readonly version: string;
  /** Protocol, codec and HTTP version, like "gRPC proto over HTTP/2". */
  readonly protocol: string;
  readonly heads: Heads;
  readonly connections: number;
  /** Calls at once on each connection. */
  readonly streams: number;
  readonly isOwn: boolean;
  /** CPU time of the server per call. */
  readonly cpuMicroseconds: number;
}

declare const BENCHMARK: Benchmark | undefined;

/** The figures; undefined if the repository does not have the benchmark. */
export const benchmark: Benchmark | undefined = BENCHMARK;
