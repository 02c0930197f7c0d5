/** What the page says in English. */
import { type Texts, WIRE_TYPES } from "./texts.ts";

export const en: Texts = {
  title: "One call, seen on the wire",
  lead: "RPC calls a function on another machine as if it were here. gRPC does so over HTTP/2, with messages in protobuf, a compact binary format; gRPC-Web and Connect do the same in ways that a browser can speak. Make the call in one of these, and look at the bytes of its body and its query, one by one.",
  languageLabel: "Language",

  callHeading: "Call",
  methodLabel: "Method",
  protocolLabel: "Protocol",
  protocols: {
    "connect-json": "JSON in a POST: what any HTTP client can send, and a person can read.",
    "connect-binary": "The same POST with protobuf's binary format in its body.",
    "connect-get": "The message in the URL: an answer that browsers and shared caches can keep.",
    "grpc-web":
      "gRPC's frames in a form that browsers can send: its trailers, which are headers that follow a body, are in the body itself.",
  },
  calledInEach:
    "The contract says that this method has no side effects, so a click calls it in each protocol, to compare their sizes.",
  calledOnce:
    "The contract does not say that this method has no side effects, so a click calls it once, and GET cannot call it.",
  call: "Call",
  calling: "Calling…",
  tryLabel: "See what goes wrong",
  tryGreatest: "The greatest numbers",
  tryShortened: "A message that ends too early",
  leftOut: "Fields that a line of text cannot hold, such as lists, maps and messages, are left out here.",
  noMethod: "This page makes unary calls, and the contract has no unary method.",
  onlyRefused: "Refused by the client before anything was sent",
  answerIs: "Answer",
  emptyAnswer: "a message with every field at its default",
  took: (milliseconds, httpVersion) => `${milliseconds} ms${httpVersion ? `, ${httpVersion}` : ""}`,
  delivered: {
    cached: "from the browser's cache: nothing crossed the wire",
    validated:
      "from the browser's cache: the server was asked, and only a 304 crossed the wire, which the browser hides",
  },
  shortened: "The last byte of the message was cut off after the client had made it.",
  loneTag: "The client had made an empty message: a tag was added, which no value follows.",
  noAnswer: "No answer came. Is the server still running? Start it, and call again.",

  wireHeading: "What crossed the wire",
  wireIntro:
    "Recorded in the client's own fetch. Point at a part, or walk through with the arrow keys: it says what it is, and lights up the value it encodes.",
  nothingYet:
    "Make a call, and it stands here: the headers that a script can see, and each byte of body and query. Then stop the server (^C) and call once more, to see what no answer looks like.",
  request: "Request",
  answer: "Response",
  target: "Target of the request",
  headers: "Headers",
  headersHidden: "added by the browser, where no script can see them; and Cookie, where it has one for this host",
  body: (bytes) => `Body, ${bytes === 1 ? "1 byte" : `${bytes} bytes`}`,
  noBody: "No body.",
  noBodyOfGet: "No body: the message is in the target.",
  values: "Values",
  decoded: "The browser has decoded the body: these are not the bytes that crossed.",
  errorInJson: "Connect writes an error in JSON, whatever the format of its messages.",
  trailersHidden: "Trailers after the body, where gRPC has its status, are hidden from scripts by every browser.",
  more: (bytes) => `And ${bytes === 1 ? "1 byte" : `${bytes} bytes`} more.`,
  hint: "Point at a part, or use the arrow keys.",
  explain: {
    tag: ({ number, wireType, field }) =>
      `Tag: field ${number}${field ? `, ${field}` : ", which the contract does not have"}, of wire type ${wireType} (${WIRE_TYPES[wireType]}). ${number} × 8 + ${wireType} = ${number * 8 + wireType}.`,
    length: ({ bytes }) => `Length: ${bytes === 1 ? "1 byte follows" : `${bytes} bytes follow`}.`,
    value: ({ type, value }, { start, end }) =>
      `Value: ${String(value)}, ${type}. ${aboutValue(type, value, end - start)}`,
    "group-end": ({ number }) => `End of the group that is field ${number}.`,
    mark: () => "JSON's punctuation: it holds the text together, and carries no value.",
    space: () => "White space, which means nothing in JSON.",
    key: ({ name }) => `The name ${name}, spelled out each time.`,
    literal: ({ value }) => `Value: ${JSON.stringify(value)}, as text.`,
    flag: ({ compressed, trailers }) =>
      trailers
        ? "Flag 128: trailers follow, in the body, since browsers hide those of HTTP."
        : compressed
          ? "Flag 1: a compressed message follows."
          : "Flag 0: a message follows, not compressed.",
    "frame-length": ({ bytes }) =>
      `Length of the frame, four bytes, the highest first: ${bytes === 1 ? "1 byte follows" : `${bytes} bytes follow`}.`,
    compressed: () => "A compressed message.",
    "trailer-name": ({ name }) => `The name of the trailer ${name}.`,
    "trailer-mark": () => "What sets a trailer's name, its value and the next line apart.",
    "trailer-value": ({ name, value }) =>
      name === "grpc-status"
        ? `The call's status: ${value}${value === "0" ? ", which is OK" : ""}.`
        : `The value of ${name}${/%[\dA-F]{2}/.test(value) ? ", percent-encoded" : ""}: ${value}.`,
    procedure: () => "The procedure: the service's full name, and the method's.",
    "query-mark": () => "A mark between the parts of the query.",
    "parameter-name": ({ name }) => `The name of the parameter ${name}.`,
    "parameter-value": ({ name, value }) => `The value of ${name}: ${value}.`,
    opaque: () => "Bytes that are not looked into.",
    malformed: ({ wanted }, { start, end }) =>
      start === end
        ? `Here should be ${en.wanted[wanted]}, and there is nothing.`
        : `These bytes are not ${en.wanted[wanted]}.`,
  },
  wanted: {
    tag: "a field's tag",
    length: "a length",
    value: "a whole value",
    token: "a token of JSON",
    frame: "a whole frame",
    trailer: "a trailer",
  },

  sizesHeading: "The same call, protocol by protocol",
  sizesIntro: "Bytes of body and query, as this page has just sent and received them. Headers come on top.",
  protocol: "Protocol",
  message: "message: what the function is given, or gives",
  framing: "framing: what stands around it, or an error in its place",
  bytes: (count) => (count === 1 ? "1 byte" : `${count} bytes`),
  sizeOf: (message, framing) => `${message} message, ${framing} framing`,
  sizeOfCopy: "from the browser's cache",
  sizeDecoded: "response decoded by the browser: it had another size when it crossed",
  sizesPending: "Make a call, and its sizes stand here side by side.",
  grpcNote:
    "No browser can send gRPC itself: fetch has no trailers. Its row is worked out, not measured, and its status travels in HTTP/2 trailers, outside the body.",
  grpcFrame: "The frame that gRPC would send",

  linesHeading: "The same call from elsewhere",
  linesIntro: "To paste, with the input and the address of this page.",
  linesOverTls:
    "If this machine does not know the authority that signed the server's certificate, name its file: -cacert FILE in grpcurl, --cacert FILE in buf curl and curl, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=FILE for Python, NODE_EXTRA_CA_CERTS=FILE for Node. If the server asks for a client certificate, add -cert FILE -key FILE in grpcurl, --cert FILE --key FILE in buf curl and curl.",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Not copied",
  pythonNote: "in the repository's folder, with grpcio-tools; run the command of its first line first",
  repositoryNote: "in the repository's folder",

  costHeading: "What gRPC costs, or gains",
  costIntro:
    "The tutorial compares gRPC with JSON over HTTP, and leaves open what a change would bring. On this server, with the figures of the tutorial's GetSum:",
  comparison: ({ contract, benchmark: { grpc, json }, number }) => [
    ["Contract", `${contract}; a client cannot do without it`, `${contract}; a client can do without it`],
    ["Code made from it", "client and server, with types", "the same, or none: curl is enough"],
    [
      "Bytes of a call, with headers",
      `request ${grpc.requestBytes}, response ${grpc.answerBytes}`,
      `request ${json.requestBytes}, response ${json.answerBytes}`,
    ],
    ["HTTP version", "HTTP/2 only", "HTTP/1.1 or HTTP/2"],
    ["From a browser", "no; gRPC-Web stands in", "yes"],
    ["Streaming", "requests, responses, and both at once", "no; Connect's own frames can"],
    ["In an HTTP cache", "no", "yes, called by GET"],
    ["For a person to read", "with the contract and a tool", "as it is"],
    [
      "Calls a second, one core",
      number(Math.round(grpc.callsPerSecond / 1000) * 1000),
      number(Math.round(json.callsPerSecond / 1000) * 1000),
    ],
  ],
  chartHeading: "Processor time of the server per call",
  chartUnit: "µs, less is better; logarithmic",
  chartNote: ({ date, cpu, os, node }) =>
    `Of the call GetSum, measured ${date} on ${cpu}, one core for the server, ${os}, Node ${node}. HTTP/1.1 over 64 connections, HTTP/2 over 4; in the table, 64 for both. Most of the gain is HTTP/2's many calls on one connection, not protobuf's few bytes; and the library decides more than the protocol.`,
  own: "this server",
  wholeChart: "Everything that was measured",

  footer: "Served by the server that answers the calls, from files that were made once. Nothing is asked of any other.",
};

function aboutValue(type: string, value: unknown, bytes: number): string {
  if (/^(int32|int64|enum)$/.test(type) && Number(value) < 0) {
    const shorter = {
      int32: "; as sint32 it would take five at most",
      int64: "; as sint64 it would take fewer, where it is small",
    }[type];
    return `A negative number takes all ten bytes${shorter ?? ""}.`;
  }
  if (/^sint/.test(type)) return "A zigzag varint: small numbers, below zero too, take few bytes.";
  if (/^(u?int(32|64)|enum|bool)$/.test(type)) {
    return bytes === 1
      ? "A varint: small numbers take one byte."
      : `A varint of ${bytes} bytes: seven bits in each, the lowest first.`;
  }
  if (type === "string") return "Text, in UTF-8.";
  if (type === "bytes") return "Bytes, as they are.";
  return `Always ${bytes} bytes, the lowest first.`;
}
