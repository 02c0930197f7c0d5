/** What a peer may cost, each bound by its name. Infinity turns a bound off. */

export interface Limits {
  /** Bytes of a header list, as HPACK counts them; over it a request is answered 431. */
  readonly headerListBytes: number;
  /** Bytes of a field block as it is sent, over all its frames; over it the connection ends. */
  readonly headerBlockBytes: number;
  /** CONTINUATION frames of one field block; over it the connection ends. */
  readonly continuationFrames: number;
  /** Streams open at once on a connection; over it a request is refused. */
  readonly concurrentStreams: number;
  /** Bytes of one body that is gathered; over it the handler is told so, as it is over its own bound. */
  readonly gatheredBytesPerStream: number;
  /** Bytes of bodies held for a connection's handlers; over it the stream is reset. */
  readonly gatheredBytesPerConnection: number;
  /** Bytes of bodies held for all handlers; over it the stream is reset. */
  readonly gatheredBytes: number;
  /**
   * Bytes written to a connection that its peer did not take; over it nothing more is read from it. At least 65,535.
   */
  readonly unsentBytes: number;
  /**
   * Frames per second that ask for work and bring none: SETTINGS, PING, PRIORITY, empty DATA and their like. Four
   * seconds' worth may come at once, and what is sent earns more.
   */
  readonly controlFramesPerSecond: number;
  /** Streams reset per second, by the peer or for its errors; four seconds' worth may come at once. */
  readonly resetsPerSecond: number;
  /** Handlers still running for a connection's reset streams; over it the connection ends. */
  readonly abandonedHandlersPerConnection: number;
  /** Handlers still running for all callers that are gone; over it requests are refused. */
  readonly abandonedHandlers: number;
  /** ms from the connection's beginning to the client's preface, its SETTINGS, and its acknowledgement of ours. */
  readonly settingsMs: number;
  /** ms from the first byte of a field block, or of any frame but DATA, to its last. */
  readonly headerBlockMs: number;
  /** ms from a request's head to its whole body, where the body is gathered; over it the request is answered 408. */
  readonly requestMs: number;
  /** ms without a stream after which a connection ends. */
  readonly idleMs: number;
  /** ms without a byte from the peer, while streams are open, after which it is sent a PING. */
  readonly keepaliveMs: number;
  /** ms from a PING to any byte from the peer. */
  readonly pingAnswerMs: number;
  /** Bytes per second that a peer must take of what waits for it, over readRateMs. 0 turns it off. */
  readonly readBytesPerSecond: number;
  /** ms over which that rate is measured. */
  readonly readRateMs: number;
  /** Bytes of a stream's body that may come before they are read. */
  readonly streamWindowBytes: number;
  /** Bytes of all bodies that may be on their way on a connection. */
  readonly connectionWindowBytes: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  headerListBytes: 16_384,
  headerBlockBytes: 65_536,
  continuationFrames: 16,
  concurrentStreams: 128,
  gatheredBytesPerStream: 16_777_216,
  gatheredBytesPerConnection: 67_108_864,
  gatheredBytes: 268_435_456,
  unsentBytes: 1_048_576,
  controlFramesPerSecond: 1_000,
  resetsPerSecond: 500,
  abandonedHandlersPerConnection: 2_000,
  abandonedHandlers: 10_000,
  settingsMs: 10_000,
  headerBlockMs: 10_000,
  requestMs: 60_000,
  idleMs: 300_000,
  keepaliveMs: 60_000,
  pingAnswerMs: 20_000,
  readBytesPerSecond: 1_024,
  readRateMs: 60_000,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
});
