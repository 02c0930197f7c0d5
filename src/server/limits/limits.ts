/** The one table of limits: what a peer, and all peers together, may cost, over every HTTP version. */

/** The groups of limits and their headings, in the order of `--help`. */
export const LIMIT_GROUPS = {
  connections: "Connections",
  requests: "Requests",
  responses: "Responses",
  memory: "Memory",
  calls: "Calls in flight and deadlines",
  floods: "Flood control",
} as const;

/** 1 TiB, more than a machine has. */
const MAX_MEMORY = 2 ** 40;

export interface Limit {
  readonly default: number;
  /** The most that the default may be, for each byte of the process's memory. */
  readonly memoryShare?: number;
  /** The smallest and the largest value besides "off". Default: 1 and 2^31-1 (limit-values.ts). */
  readonly min?: number;
  readonly max?: number;
  readonly unit:
    | "bytes"
    | "bytes/s"
    | "calls"
    | "connections"
    | "frames"
    | "frames/s"
    | "handlers"
    | "messages"
    | "ms"
    | "streams"
    | "streams/s";
  /** The heading under which `--help` lists the limit. */
  readonly group: keyof typeof LIMIT_GROUPS;
  /** Where it holds; docs/limits.md says which of them node:http2 has not. */
  readonly on: "all" | "HTTP/1.1" | "HTTP/2";
  /** What is limited, and what happens over the limit. */
  readonly bounds: string;
  readonly over: string;
  /** Why the default is what it is. */
  readonly reason: string;
}

/**
 * Each limit by its option's name, in the order in which a connection meets them. A limit is a number of its unit;
 * Infinity turns it off, as 0 does a rate that is asked of the peer (bytes/s).
 */
export const LIMITS = {
  connections: {
    default: 10_000,
    unit: "connections",
    group: "connections",
    on: "all",
    bounds: "connections open at once",
    over: "a new one is closed",
    reason:
      "an idle one takes about 8 KiB on HTTP/2 and 12 KiB on HTTP/1.1, with TLS 45 KiB more, and a file descriptor, of which the system has a limit of its own",
  },
  connectionsPerAddress: {
    default: Number.POSITIVE_INFINITY,
    unit: "connections",
    group: "connections",
    on: "all",
    bounds: "connections open at once from one IPv4 address or one /64 of IPv6; a Unix socket has no address",
    over: "a new one is closed",
    reason:
      "behind a proxy all connections have its address. nginx's limit_conn counts whole IPv6 addresses, but one host may have all of a /64",
  },
  firstBytesMs: {
    default: 10_000,
    unit: "ms",
    group: "connections",
    on: "all",
    bounds: "time from accepting a connection to the bytes that show its protocol",
    over: "it is closed",
    reason: "a client that connects has something to say",
  },
  handshakeMs: {
    default: 10_000,
    unit: "ms",
    group: "connections",
    on: "all",
    bounds: "time for a TLS handshake",
    over: "the connection is closed",
    reason: "two round trips, and a signature on the slowest of machines",
  },
  settingsMs: {
    default: 10_000,
    unit: "ms",
    group: "connections",
    on: "HTTP/2",
    bounds: "time from the start of a connection to the client's SETTINGS and its acknowledgement of the server's",
    over: "GOAWAY (SETTINGS_TIMEOUT)",
    reason: "one round trip, on the worst of networks",
  },
  headersMs: {
    default: 10_000,
    unit: "ms",
    group: "requests",
    on: "all",
    bounds: "time to receive a request's headers, first byte to last (HTTP/2: any frame except DATA)",
    over: "408, or GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "a head is one packet or two; whoever drips it holds a connection for nothing",
  },
  headerListBytes: {
    default: 16_384,
    unit: "bytes",
    group: "requests",
    on: "all",
    bounds: "size of a request's header fields, on HTTP/2 as HPACK counts them (RFC 9113, 6.5.2)",
    over: "431",
    reason: "what node:http takes; cookies and tokens fit",
  },
  headerBlockBytes: {
    default: 65_536,
    unit: "bytes",
    group: "requests",
    on: "HTTP/2",
    bounds: "size of a field block as it is sent, over all its frames",
    over: "GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "four times headerListBytes, so that a list that is a little too large is still answered 431",
  },
  continuationFrames: {
    default: 16,
    unit: "frames",
    group: "requests",
    on: "HTTP/2",
    bounds: "CONTINUATION frames of one field block (CVE-2024-27316)",
    over: "GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "full frames need 4 for headerBlockBytes",
  },
  concurrentStreams: {
    default: 128,
    unit: "streams",
    group: "requests",
    on: "HTTP/2",
    bounds: "streams open at once on a connection",
    over: "RST_STREAM (REFUSED_STREAM), which clients try again",
    reason: "RFC 9113, 6.5.2, wants 100 or more",
  },
  pipelinedRequests: {
    default: 64,
    unit: "calls",
    group: "requests",
    on: "HTTP/1.1",
    bounds: "requests of a connection that wait for their responses",
    over: "429, and it is closed",
    reason: "browsers and libraries send one at a time, benchmarks up to 50",
  },
  requestMs: {
    default: 60_000,
    unit: "ms",
    group: "requests",
    on: "all",
    bounds:
      "time from a unary request's headers to the end of its body; after an early response, time to the end of the body",
    over: "408; after an early response the connection is closed, on HTTP/2 only the stream",
    reason: "messageBytes at 560 kbit/s, a slow mobile network",
  },
  messageBytes: {
    default: 4_194_304,
    unit: "bytes",
    group: "requests",
    on: "all",
    bounds: "a caller's message, before and after decompression",
    over: "resource_exhausted",
    reason: "what gRPC's servers take by default; bufferedBytes bounds the messages of all calls together",
  },
  brotliWindowBytes: {
    default: 4_194_304,
    unit: "bytes",
    group: "memory",
    on: "all",
    bounds: "the window that a message compressed with Brotli declares (RFC 7932, 9.1), from 1,024 to 16,777,216",
    over: "resource_exhausted",
    reason:
      "the window of 22 bits that encoders declare by default; a decoder of a few bytes may allocate and fill all of it",
  },
  decompressors: {
    default: 4,
    unit: "messages",
    group: "memory",
    on: "all",
    bounds: "messages being decompressed at once, over all connections",
    over: "the next one waits for its turn, for as long as its caller does",
    reason: "libuv decompresses on four threads: more would take memory and be no faster",
  },
  queuedDecompressions: {
    default: 1_000,
    unit: "messages",
    group: "memory",
    on: "all",
    bounds: "messages that wait to be decompressed",
    over: "unavailable",
    reason: "a message of messageBytes takes some 10 ms, and most take under 0.1",
  },
  compressors: {
    default: 4,
    unit: "messages",
    group: "memory",
    on: "all",
    bounds: "responses being compressed at once; 16 times as many wait for their turn",
    over: "the next one is sent in the compressed format, but as it is",
    reason: "as decompressors",
  },
  earlyResponseBytes: {
    default: 1_048_576,
    unit: "bytes",
    group: "requests",
    on: "all",
    bounds: "bytes of a request that are read and discarded while a complete response waits for the request's end",
    over: "the response is sent",
    reason: "clients such as curl lose a response that comes while they send; most requests are smaller",
  },
  earlyResponseMs: {
    default: 1_000,
    unit: "ms",
    group: "requests",
    on: "all",
    bounds: "time that a complete response waits for the request's end",
    over: "the response is sent",
    reason: "no one should wait longer for an error that is known",
  },
  earlyResponseIdleMs: {
    default: 50,
    unit: "ms",
    group: "requests",
    on: "all",
    bounds: "time that a complete response waits for the next bytes of the request",
    over: "the response is sent",
    reason: "a client may wait for the response before it sends more, as gRPC streams do",
  },
  discardedBytes: {
    default: 16_777_216,
    unit: "bytes",
    group: "requests",
    on: "all",
    bounds:
      "bytes of a request that are read and discarded after an early response, so that the client can read the response",
    over: "the connection is closed, on HTTP/2 only the stream: RST_STREAM (NO_ERROR)",
    reason: "clients such as httpx read no response before they have sent all; uploads by mistake are rarely larger",
  },
  discardIdleMs: {
    default: 1_000,
    unit: "ms",
    group: "requests",
    on: "HTTP/2",
    bounds: "time without bytes of the request after an early response",
    over: "RST_STREAM (NO_ERROR)",
    reason: "curl stops sending and waits for the stream's end; others may need a few round trips",
  },
  streamWindowBytes: {
    default: 262_144,
    unit: "bytes",
    group: "requests",
    on: "HTTP/2",
    bounds: "flow-control window of a stream: body bytes that may arrive before they are read (RFC 9113, 6.9)",
    over: "RST_STREAM (FLOW_CONTROL_ERROR)",
    reason: "26 Mbit/s at 80 ms round trip, for one stream of a connection's four",
  },
  connectionWindowBytes: {
    default: 1_048_576,
    min: 65_535,
    unit: "bytes",
    group: "requests",
    on: "HTTP/2",
    bounds: "flow-control window of a connection, for the bodies of all its streams",
    over: "the peer has to wait",
    reason: "100 Mbit/s at 80 ms round trip",
  },
  bufferedBytesPerConnection: {
    default: 67_108_864,
    memoryShare: 1 / 32,
    max: MAX_MEMORY,
    unit: "bytes",
    group: "memory",
    on: "HTTP/2",
    bounds: "bodies held for a connection's handlers",
    over: "RST_STREAM (ENHANCE_YOUR_CALM)",
    reason: "a quarter of bufferedBytes, so that one peer cannot take all of it",
  },
  bufferedBytes: {
    default: 268_435_456,
    memoryShare: 1 / 8,
    max: MAX_MEMORY,
    unit: "bytes",
    group: "memory",
    on: "all",
    bounds: "bodies held for all handlers",
    over: "503, or RST_STREAM (ENHANCE_YOUR_CALM); unavailable to a stream",
    reason: "an eighth of 2 GiB, and of the memory that the process may use if that is less",
  },
  sendBufferBytes: {
    default: 1_048_576,
    min: 65_535,
    unit: "bytes",
    group: "memory",
    on: "HTTP/2",
    bounds: "what was written to a connection and its peer did not take",
    over: "nothing more is read from it until it does",
    reason: "connectionWindowBytes, in the other direction",
  },
  queuedBytesPerConnection: {
    default: 67_108_864,
    memoryShare: 1 / 32,
    max: MAX_MEMORY,
    unit: "bytes",
    group: "memory",
    on: "all",
    bounds: "response bytes of a connection that wait for its client to take them",
    over: "the largest response that waits is reset: RST_STREAM (ENHANCE_YOUR_CALM); on HTTP/1.1 the connection is closed",
    reason: "a quarter of queuedBytes, so that one client cannot take all of it",
  },
  queuedBytes: {
    default: 268_435_456,
    memoryShare: 1 / 8,
    max: MAX_MEMORY,
    unit: "bytes",
    group: "memory",
    on: "all",
    bounds: "response bytes of all connections that wait for clients to take them",
    over: "the connection that holds most of them loses its largest response, as over queuedBytesPerConnection",
    reason: "as bufferedBytes",
  },
  readBytesPerSecond: {
    default: 1_024,
    unit: "bytes/s",
    group: "responses",
    on: "all",
    bounds: "rate at which a peer must read the response bytes that wait for it, over readRateMs",
    over: "the connection is closed, on HTTP/2 with GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "a seventh of what a modem takes",
  },
  readRateMs: {
    default: 60_000,
    unit: "ms",
    group: "responses",
    on: "all",
    bounds: "time over which readBytesPerSecond is measured",
    over: "",
    reason: "a client may stop for a while, as a phone in a tunnel does",
  },
  controlFramesPerSecond: {
    default: 1_000,
    unit: "frames/s",
    group: "floods",
    on: "HTTP/2",
    bounds:
      "frames that make work but carry no request: SETTINGS, PING, PRIORITY, empty DATA; a burst of four seconds' worth is allowed, and more for each response sent",
    over: "GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "clients that measure their bandwidth send a PING for each answer; CVE-2019-9512, 9515, 9518",
  },
  resetsPerSecond: {
    default: 500,
    unit: "streams/s",
    group: "floods",
    on: "HTTP/2",
    bounds: "streams reset by the peer or for its errors; a burst of four seconds' worth is allowed",
    over: "GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "a client may cancel 1,000 calls at once, and does so once; CVE-2023-44487, CVE-2025-8671",
  },
  cancelledHandlersPerConnection: {
    default: 2_000,
    unit: "handlers",
    group: "calls",
    on: "HTTP/2",
    bounds: "handlers still running for a connection's reset streams",
    over: "GOAWAY (ENHANCE_YOUR_CALM)",
    reason: "a burst of resetsPerSecond",
  },
  cancelledHandlers: {
    default: 10_000,
    unit: "handlers",
    group: "calls",
    on: "HTTP/2",
    bounds: "handlers still running for reset streams, over all connections",
    over: "RST_STREAM (REFUSED_STREAM)",
    reason: "as callsInFlight",
  },
  callsInFlight: {
    default: 10_000,
    memoryShare: 1 / (256 << 10),
    unit: "calls",
    group: "calls",
    on: "all",
    bounds: "handlers running at once; health and reflection have as many for themselves",
    over: "unavailable, with Retry-After and grpc-retry-pushback-ms of a second",
    reason: "more than this wait for something that is not there; an open stream takes some 45 KB of V8's heap",
  },
  deadlineMs: {
    default: 300_000,
    unit: "ms",
    group: "calls",
    on: "all",
    bounds:
      "time for a unary call whose caller gave it longer or gave no deadline, and for a request to wait behind another on HTTP/1.1; streams have their caller's deadline only",
    over: "deadline_exceeded; the connection of one that waits is closed",
    reason: "no proxy waits longer unless it is told to",
  },
  idleMs: {
    default: 3_900_000,
    unit: "ms",
    group: "connections",
    on: "all",
    bounds: "a connection without a call under way",
    over: "it is closed, on HTTP/2 after GOAWAY",
    reason:
      "longer than clients and proxies keep theirs, so that they close first: a call that meets the server's close fails. nginx keeps 60 s, Go's net/http 90 s, Google's load balancers 10 min, connect-node 15 min, gRPC 30 min, Envoy 1 h. TCP keepalive finds peers that are gone, and connections bounds the memory",
  },
  keepaliveMs: {
    default: 60_000,
    unit: "ms",
    group: "connections",
    on: "all",
    bounds: "time without a byte from the peer on a connection with a call in flight",
    over: "the peer is asked whether it is there, on HTTP/2 by PING, on HTTP/1.1 by TCP",
    reason: "a peer without power says nothing; calls that wait are rarely this long",
  },
  pingTimeoutMs: {
    default: 20_000,
    unit: "ms",
    group: "connections",
    on: "HTTP/2",
    bounds: "time from a PING to any byte from the peer",
    over: "GOAWAY, and it is closed",
    reason: "what gRPC's clients give a server",
  },
  gracefulCloseMs: {
    default: 2_000,
    unit: "ms",
    group: "connections",
    on: "HTTP/2",
    bounds: "time from the PING after the first GOAWAY to its acknowledgement, after which the last stream is known",
    over: "the second GOAWAY is sent without it",
    reason: "one round trip, and the exit of a process waits for it",
  },
} as const satisfies Record<string, Limit>;

export type Limits = { readonly [K in keyof typeof LIMITS]: number };
export type LimitName = keyof Limits;

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];

/** The defaults of a process with memory enough; those of a smaller one are in memory.ts. */
export const DEFAULT_LIMITS: Limits = Object.freeze(
  Object.fromEntries(LIMIT_NAMES.map((name) => [name, LIMITS[name].default])) as unknown as Limits,
);

/** Told of a limit that was met, and by what. */
export type OnLimit = (limit: LimitName, what: string) => void;
