/**
 * The benchmark figures on the page, from the newest committed run. web/build.ts defines BENCHMARK when it bundles the
 * page.
 */

export interface Benchmark {
  /** Like "2026-11-24". */
  readonly date: string;
  readonly cpu: string;
  readonly os: string;
  readonly node: string;
  /**
   * Figures of GetSum over gRPC on HTTP/2 and over Connect JSON on HTTP/1.1, each on 64 connections with one call in
   * flight.
   */
  readonly grpc: Figures;
  readonly json: Figures;
  /** The servers of the chart, the cheapest first. */
  readonly rows: readonly Row[];
  /** The powers of ten, in microseconds, that the chart's axis marks. */
  readonly ticks: readonly number[];
  /** The path of the chart of all measurements. */
  readonly chart: string;
}

export interface Figures {
  /** Calls per second on one core of the server, measured while the core was busy. */
  readonly callsPerSecond: number;
  /** Bytes of one call, with all headers. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

export interface Row {
  readonly server: string;
  /** Protocol, codec and HTTP version, like "gRPC proto over HTTP/2". */
  readonly protocol: string;
  /** The number of connections that shared the 64 calls in flight. */
  readonly connections: number;
  readonly isOwn: boolean;
  /** CPU time of the server per call. */
  readonly cpuMicroseconds: number;
}

declare const BENCHMARK: Benchmark;

export const benchmark: Benchmark = BENCHMARK;
