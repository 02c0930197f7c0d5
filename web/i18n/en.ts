/** The texts of the page in English. */
import type { Heads } from "../benchmark.ts";
import type { MetadataProblem } from "../call/metadata.ts";
import { type Texts, WIRE_TYPES } from "./texts.ts";

const HEADS: Readonly<Record<Heads, string>> = { trace: "heads that differ", equal: "equal heads" };

export const en: Texts = {
  title: "One call, byte by byte",
  lead: "RPC (remote procedure call) lets a program call a function on another machine. gRPC does this over HTTP/2, with messages in protobuf, a compact binary format. gRPC-Web and Connect do the same in a form that browsers can send. Make a call, and look at each byte of its body and its query.",
  generalLead:
    "Choose a method of this server, fill in its input and call it. The page shows the response, and each byte that was sent and received.",
  languageLabel: "Language",

  methodsLabel: "Methods",
  methodCount: (count) => `Methods (${count})`,
  searchLabel: "Search methods",
  found: (count) => (count === 0 ? "No method has this name." : count === 1 ? "1 method" : `${count} methods`),
  kinds: {
    unary: "unary",
    server_streaming: "server stream",
    client_streaming: "client stream",
    bidi_streaming: "bidirectional",
  },
  deprecated: "deprecated",
  notCallable:
    "Browsers cannot call this method, because it sends a stream: fetch sends a whole request before it reads the response. The lines below call it from elsewhere, with this input as the only message of the stream.",
  linkProblem: {
    malformed: "This link is malformed, so the page shows its first method.",
    unknown: "This link names a method that this server does not have.",
  },
  keyCalls: "calls",
  keyStops: "stops",
  copyLink: "Copy link",
  linkCopied: "Copied, with this input but without metadata.",
  linkShown: "The link is in the address bar. The browser did not allow copying.",
  linkTooLong: "This input is too long for a link.",
  historyHeading: (count) => `Calls in this tab (${count})`,
  historyIntro: "Select a call to restore its method, input, protocol and metadata. Nothing is called.",
  clearHistory: "Clear",
  metadataHeading: "Metadata and deadline",
  metadataIntro: "Metadata is sent in headers. It is kept in this tab, and never part of a link.",
  metadataName: "Name",
  metadataValue: "Value",
  addMetadata: "Add metadata",
  removeMetadata: "Remove",
  metadataRow: (number) => `Metadata ${number}`,
  metadataProblem: (name, problem) => `Metadata "${name}": ${METADATA_PROBLEMS[problem]}.`,
  deadlineLabel: "Deadline in milliseconds",
  deadlineProblem: (maximum) => `The deadline must be a whole number of milliseconds from 1 to ${maximum}, or empty.`,

  callHeading: "Call",
  protocolLabel: "Protocol",
  protocols: {
    "connect-json": "JSON in a POST: any HTTP client can send it, and a person can read it.",
    "connect-binary": "The same POST, with the message in protobuf's binary format.",
    "connect-get": "The message is in the URL. Browsers and shared caches can store the response.",
    "grpc-web":
      "gRPC in a form that browsers can send. Trailers are headers that follow a body; here they are a part of the body.",
  },
  calledInEach:
    "The contract marks this method as free of side effects, so one click calls it in each protocol, to compare their sizes.",
  calledOnce:
    "The contract does not mark this method as free of side effects, so one click calls it once, and GET cannot call it.",
  call: "Call",
  calling: "Calling…",
  tryLabel: "See what goes wrong",
  tryMaximum: "The largest numbers",
  tryTruncated: "A truncated message",
  loadingSchema: "Loading the schema…",
  noSchema: "The schema of the services could not be loaded. Is the server still running?",
  retry: "Try again",
  noMethod: "This page calls the methods of the server, but the server does not have any of its own.",
  onlyRefused: "Rejected by the client before it sent anything",
  responseLabel: "Response",
  emptyResponse: "a message with every field at its default",
  wholeResponse: "The whole response as JSON",
  took: (milliseconds, httpVersion) => `${milliseconds} ms${httpVersion ? `, ${httpVersion}` : ""}`,
  delivered: {
    cache: "from the browser's cache: nothing was sent or received",
    revalidated: "from the browser's cache: the server was asked and sent only a 304, which the browser hides",
  },
  truncated: "The page cut off the last byte of the message after the client had encoded it.",
  loneTag: "The encoded message was empty, so the page added a tag without a value.",
  noResponse: "No response came. Is the server still running? Start it, and call again.",

  stop: "Stop",
  stopped: "You stopped the call.",
  received: (messages, bytes) => `${countOf(messages, "message")}, ${countOf(bytes, "byte")}`,
  receivedSoFar: (messages, bytes) => `${countOf(messages, "message")} so far, ${countOf(bytes, "byte")}`,

  input: {
    json: "JSON",
    editor: "Message as JSON",
    form: "Form",
    format: "Format",
    line: (line) => `line ${line}`,
    outdated: "The text in the editor is not valid JSON. The form shows the newest valid value, and cannot change it.",
    tooLarge: (limit) => `The form shows messages of fewer than ${limit} values. Edit this one as JSON.`,
    onlyInJson: (names) => `Only in the JSON: ${names}`,
    notSet: "not set",
    required: "required",
    set: "Set",
    setOf: (name) => `Set ${name}`,
    unset: "Unset",
    unsetOf: (name) => `Unset ${name}`,
    add: "Add",
    addTo: (name) => `Add to ${name}`,
    remove: "Remove",
    removeOf: (name) => `Remove ${name}`,
    item: (list, number) => `${list}, item ${number}`,
    keyOf: (map, number) => `${map}, key ${number}`,
    entry: (map, key) => `${map}, value of ${key}`,
    now: "Now",
    nowFor: (name) => `Now for ${name}`,
  },

  exchangeHeading: "What was sent and received",
  exchangeIntro: "Recorded in the client's own fetch. Select a part to see what it means and which value it encodes.",
  nothingYet:
    "Make a call to see the headers that a script can read, and each byte of body and query. Then stop the server (^C) and call again, to see a call without a response.",
  request: "Request",
  response: "Response",
  target: "Request target",
  headers: "Headers",
  headersHidden: "added by the browser, hidden from scripts; Cookie too, if the browser has one for this host",
  body: (bytes) => `Body, ${bytes === 1 ? "1 byte" : `${bytes} bytes`}`,
  noBody: "No body.",
  noBodyOfGet: "No body: the message is in the request target.",
  values: "Values",
  decoded: "The browser has decompressed the body: these are not the bytes that were received.",
  errorInJson: "Connect sends unary errors in JSON, in either format of the messages.",
  trailersHidden: "gRPC sends its status in trailers after the body, which every browser hides from scripts.",
  more: (bytes) => `And ${bytes === 1 ? "1 byte" : `${bytes} bytes`} more.`,
  hint: { pointer: "Point at a part, or use the arrow keys.", touch: "Tap a part." },
  explain: {
    tag: ({ number, wireType, field }) =>
      `Tag: field ${number}${field ? `, ${field}` : ", which the contract does not have"}, wire type ${wireType} (${WIRE_TYPES[wireType]}). ${number} × 8 + ${wireType} = ${number * 8 + wireType}.`,
    length: ({ bytes }) => `Length: ${bytes === 1 ? "1 byte follows" : `${bytes} bytes follow`}.`,
    value: ({ type, value }, { start, end }) =>
      `Value: ${String(value)}, ${type}. ${aboutValue(type, value, end - start)}`,
    "group-end": ({ number }) => `End of the group in field ${number}.`,
    mark: () => "JSON punctuation: it gives the text its structure, and carries no value.",
    space: () => "White space, which JSON ignores.",
    key: ({ name }) => `The name ${name}, spelled out each time.`,
    literal: ({ value }) => `Value: ${JSON.stringify(value)}, as text.`,
    flag: ({ compressed, content }) =>
      content === "trailers"
        ? "Flag 128: trailers follow in the body, because browsers hide HTTP trailers."
        : content === "end-stream"
          ? "Flag 2: the end of the stream follows, with trailers and any error in JSON."
          : compressed
            ? "Flag 1: a compressed message follows."
            : "Flag 0: an uncompressed message follows.",
    "frame-length": ({ bytes }) =>
      `Length of the frame in four bytes, big-endian: ${bytes === 1 ? "1 byte follows" : `${bytes} bytes follow`}.`,
    compressed: () => "A compressed message.",
    "trailer-name": ({ name }) => `The name of the trailer ${name}.`,
    "trailer-mark": () => "Separates a trailer's name, its value and the next line.",
    "trailer-value": ({ name, value }) =>
      name === "grpc-status"
        ? `The status of the call: ${value}${value === "0" ? ", which is OK" : ""}.`
        : `The value of ${name}${/%[\dA-F]{2}/.test(value) ? ", percent-encoded" : ""}: ${value}.`,
    procedure: () => "The procedure: the full name of the service, and the name of the method.",
    "query-mark": () => "Separates the parts of the query.",
    "parameter-name": ({ name }) => `The name of the parameter ${name}.`,
    "parameter-value": ({ name, value }) => `The value of ${name}: ${value}.`,
    opaque: () => "Bytes that this page does not decode.",
    malformed: ({ expected }, { start, end }) =>
      start === end
        ? `Expected ${en.expected[expected]}, found nothing.`
        : `Expected ${en.expected[expected]}, found these bytes.`,
  },
  expected: {
    tag: "a field's tag",
    length: "a length",
    value: "a complete value",
    token: "a JSON token",
    frame: "a complete frame",
    trailer: "a trailer",
  },

  endedBefore: "The call ended before a response came.",
  messages: (count) => `Body, ${countOf(count, "message")}`,
  messageLabel: (number) => `Message ${number}`,
  wholeMessage: (number) => `Message ${number} as JSON`,
  omitted: (messages, bytes) =>
    `${countOf(messages, "message")} with ${countOf(bytes, "byte")} came here. This page keeps the first and the newest messages.`,
  endOfStream: "End of the stream",
  restOfStream: "Bytes after the last complete message",

  sizesHeading: "The same call, protocol by protocol",
  sizesIntro: "Bytes of body and query, as this page has just sent and received them, without headers.",
  protocol: "Protocol",
  message: "message: the function's input or output",
  framing: "framing: the bytes around the message, or an error in its place",
  bytes: (count) => (count === 1 ? "1 byte" : `${count} bytes`),
  sizeOf: (message, framing) => `${message} message, ${framing} framing`,
  sizeOfCopy: "from the browser's cache",
  sizeDecoded: "response decompressed by the browser: it was received in another size",
  sizesPending: "Make a call to compare the sizes.",
  noSizes: "No response came, so the sizes cannot be compared.",
  grpcNote:
    "No browser can send gRPC itself, because fetch does not support trailers. The gRPC row is calculated, not measured. gRPC sends its status in HTTP/2 trailers, outside the body.",
  grpcFrame: "The frame that gRPC would send",

  snippetsHeading: "The same call from elsewhere",
  snippetsIntro: "Commands and programs to paste, with this page's input and address.",
  snippetsOverTls:
    "If this machine does not trust the authority that signed the server's certificate, name the authority's file: -cacert FILE in grpcurl, --cacert FILE in buf curl and curl, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=FILE for Python, NODE_EXTRA_CA_CERTS=FILE for Node. If the server requires a client certificate, add -cert FILE -key FILE in grpcurl, --cert FILE --key FILE in buf curl and curl.",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Not copied",
  pythonNote: "in the repository's folder, with grpcio-tools; first run the command in its first line",
  typescriptNote: "in the repository's folder, with Node 22.18 or later",
  toolLabel: "Tool or language",
  curlStreamNote: "a character in front of a received message is the last byte of its length",
  repositoryNote: "in the repository's folder",

  costHeading: "What gRPC costs, or gains",
  costIntro:
    "The tutorial compares gRPC with JSON over HTTP, but does not measure the difference. These are the facts on this server, with figures for the tutorial's GetSum:",
  comparison: ({ contract, benchmark: { grpc, json, heads }, number }) => [
    ["Contract", `${contract}, required by clients`, `${contract}, optional for clients`],
    ["Generated code", "client and server, with types", "the same, or none: curl is enough"],
    [
      `Bytes of a call, with headers (${HEADS[heads]})`,
      `request ${grpc.requestBytes}, response ${grpc.responseBytes}`,
      `request ${json.requestBytes}, response ${json.responseBytes}`,
    ],
    ["HTTP version", "HTTP/2 only", "HTTP/1.1 or HTTP/2"],
    ["From a browser", "no; gRPC-Web instead", "yes"],
    ["Streaming", "requests, responses, and both at once", "no; with Connect's own frames, yes"],
    ["HTTP caching", "no", "yes, if called by GET"],
    ["Human-readable", "with the contract and a tool", "yes"],
    [
      `CPU time of the server per call, 64 connections × 1 call at once, ${HEADS[heads]}`,
      `${number(Number(grpc.cpuMicroseconds.toPrecision(3)))} µs`,
      `${number(Number(json.cpuMicroseconds.toPrecision(3)))} µs`,
    ],
  ],
  chartHeading: "CPU time of the server per call",
  chartUnit: "µs, less is better; logarithmic axis",
  chartNote: ({ date, cpu, os, node, heads }) =>
    `GetSum with messages of 2 to 13 bytes, measured ${date} on ${cpu}, one core for the server, ${os}, Node ${node}. 4 × 16 is 4 connections with 16 calls at once on each. ${heads === "trace" ? "Heads that differ have a timeout, a trace context and a request id of their own on each call." : "All calls have equal heads, as those of simple load generators."} Most of the gain comes from HTTP/2, which carries many calls on one connection, and not from protobuf's smaller messages. The library matters more than the protocol.`,
  heads: HEADS,
  own: "this server",
  wholeChart: "All measurements",

  footer: "This page comes from the server that it calls. It sends no request to any other host.",
};

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const METADATA_PROBLEMS: Readonly<Record<MetadataProblem, string>> = {
  name: "a name has only letters, digits, and the characters - _ and .",
  protocol: "the protocol sets this header itself",
  browser: "browsers do not let a page set this header",
  value: "a value has only printable ASCII characters",
  binary: "the value of a name that ends in -bin must be Base64",
};

function aboutValue(type: string, value: unknown, bytes: number): string {
  if (/^(int32|int64|enum)$/.test(type) && Number(value) < 0) {
    const shorter = {
      int32: "; as sint32 it would take five at most",
      int64: "; as sint64 a small one takes fewer",
    }[type];
    return `A negative number always takes ten bytes${shorter ?? ""}.`;
  }
  if (/^sint/.test(type)) return "A zigzag varint: small numbers, negative ones too, take few bytes.";
  if (/^(u?int(32|64)|enum|bool)$/.test(type)) {
    return bytes === 1
      ? "A varint: small numbers take one byte."
      : `A varint of ${bytes} bytes: seven bits in each, least significant first.`;
  }
  if (type === "string") return "Text in UTF-8.";
  if (type === "bytes") return "Raw bytes.";
  return `Always ${bytes} bytes, little-endian.`;
}
