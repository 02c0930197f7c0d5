/** The texts of the page in Korean. */
import type { Heads } from "../benchmark.ts";
import type { MetadataProblem } from "../call/metadata.ts";
import { type Texts, WIRE_TYPES } from "./texts.ts";

const HEADS: Readonly<Record<Heads, string>> = { trace: "호출마다 다른 헤더", equal: "모두 같은 헤더" };

export const ko: Texts = {
  title: "호출 한 번, 바이트로 보기",
  lead: "RPC는 다른 컴퓨터에 있는 함수를 내 프로그램의 함수처럼 부르는 방법입니다. gRPC는 짧은 바이너리 형식인 protobuf로 메시지를 적어 HTTP/2로 주고받고, gRPC-Web과 Connect는 같은 일을 브라우저에서도 할 수 있게 합니다. 직접 호출해 보고, 그때 오간 본문과 쿼리를 바이트 하나하나까지 살펴보세요.",
  generalLead:
    "이 서버의 메서드를 골라 입력값을 채우고 호출해 보세요. 응답과 함께, 오간 데이터를 바이트 하나하나까지 보여 줍니다.",
  languageLabel: "언어",

  methodsLabel: "메서드 목록",
  methodCount: (count) => `메서드 목록 (${count})`,
  searchLabel: "메서드 검색",
  found: (count) => (count === 0 ? "이 이름을 가진 메서드가 없습니다." : `메서드 ${count}개`),
  kinds: {
    unary: "단항",
    server_streaming: "서버 스트림",
    client_streaming: "클라이언트 스트림",
    bidi_streaming: "양방향",
  },
  deprecated: "사용 중단",
  notCallable:
    "이 메서드는 요청을 스트림으로 보내므로 브라우저에서 호출할 수 없습니다. fetch는 요청을 다 보낸 뒤에야 응답을 읽기 때문입니다. 아래 명령과 프로그램을 쓰면 다른 곳에서 호출할 수 있고, 여기 적은 입력값이 스트림의 유일한 메시지가 됩니다.",
  linkProblem: {
    malformed: "링크의 형식이 잘못되어 첫 번째 메서드를 보여 줍니다.",
    unknown: "이 링크가 가리키는 메서드는 이 서버에 없습니다.",
  },
  keyCalls: "호출",
  keyStops: "멈추기",
  copyLink: "링크 복사",
  linkCopied: "복사했습니다. 입력값은 들어 있고 메타데이터는 빠져 있습니다.",
  linkShown: "브라우저가 복사를 허용하지 않았습니다. 링크는 주소창에 있습니다.",
  linkTooLong: "입력값이 너무 길어 링크에 담을 수 없습니다.",
  historyHeading: (count) => `이 탭에서 한 호출 (${count})`,
  historyIntro: "호출을 고르면 그때의 메서드, 입력값, 프로토콜, 메타데이터를 되살립니다. 다시 호출하지는 않습니다.",
  clearHistory: "모두 지우기",
  metadataHeading: "메타데이터와 제한 시간",
  metadataIntro: "메타데이터는 헤더에 담겨 갑니다. 이 탭에만 남고 링크에는 들어가지 않습니다.",
  metadataName: "이름",
  metadataValue: "값",
  addMetadata: "메타데이터 추가",
  removeMetadata: "삭제",
  metadataRow: (number) => `메타데이터 ${number}`,
  metadataProblem: (name, problem) => `메타데이터 "${name}": ${METADATA_PROBLEMS[problem]}`,
  deadlineLabel: "제한 시간(밀리초)",
  deadlineProblem: (maximum) => `제한 시간은 1부터 ${maximum}까지의 정수로 적거나 비워 두세요.`,

  callHeading: "호출",
  protocolLabel: "프로토콜",
  protocols: {
    "connect-json": "POST 본문에 JSON을 담습니다. 어떤 HTTP 클라이언트로도 보낼 수 있고, 사람이 바로 읽을 수 있습니다.",
    "connect-binary": "같은 POST에 JSON 대신 protobuf 바이너리를 담습니다.",
    "connect-get": "메시지를 URL에 담습니다. 브라우저와 공유 캐시가 응답을 저장해 둘 수 있습니다.",
    "grpc-web":
      "gRPC 프레임을 브라우저가 보낼 수 있는 모양으로 바꾸고, 본문 뒤에 오는 헤더인 트레일러도 본문에 담습니다.",
  },
  calledInEach:
    "명세에 부수 효과가 없다고 적힌 메서드이므로, 한 번 누르면 크기를 비교할 수 있도록 모든 프로토콜로 호출합니다.",
  calledOnce:
    "명세에 부수 효과가 없다고 적혀 있지 않은 메서드이므로, 한 번 누르면 한 번만 호출하며 GET으로는 호출할 수 없습니다.",
  call: "호출하기",
  calling: "호출 중…",
  tryLabel: "실패하는 경우도 보기",
  tryMaximum: "가장 큰 수 넣기",
  tryTruncated: "끝이 잘린 메시지 보내기",
  loadingSchema: "서비스 명세를 불러오는 중…",
  noSchema: "서비스 명세를 불러오지 못했습니다. 서버가 실행 중인가요?",
  retry: "다시 시도",
  noMethod: "이 페이지는 서버의 메서드를 호출합니다. 그런데 이 서버에는 자체 메서드가 없습니다.",
  onlyRefused: "클라이언트가 보내기 전에 거절했습니다",
  responseLabel: "응답",
  emptyResponse: "모든 필드가 기본값인 메시지",
  wholeResponse: "응답 전체를 JSON으로 보기",
  took: (milliseconds, httpVersion) => `${milliseconds}ms${httpVersion ? `, ${httpVersion}` : ""}`,
  delivered: {
    cache: "브라우저 캐시에서 가져왔습니다. 서버와 주고받은 것은 없습니다.",
    revalidated:
      "브라우저 캐시에서 가져왔습니다. 서버에 다시 물어 304만 돌려받았지만, 브라우저는 이 응답을 보여 주지 않습니다.",
  },
  truncated: "클라이언트가 만든 메시지에서 마지막 바이트를 잘라 내고 보냈습니다.",
  loneTag: "클라이언트가 만든 메시지가 비어 있어서, 뒤에 값이 없는 태그를 덧붙여 보냈습니다.",
  noResponse: "응답이 없습니다. 서버가 실행 중인가요? 서버를 켠 다음 다시 호출해 보세요.",

  stop: "멈추기",
  stopped: "호출을 멈췄습니다.",
  received: (messages, bytes) => `메시지 ${messages}개, ${bytes}바이트`,
  receivedSoFar: (messages, bytes) => `지금까지 메시지 ${messages}개, ${bytes}바이트`,

  input: {
    json: "JSON",
    editor: "JSON으로 쓴 메시지",
    form: "양식",
    format: "서식 맞추기",
    line: (line) => `${line}번째 줄`,
    outdated:
      "편집기에 적힌 글이 올바른 JSON이 아닙니다. 양식은 마지막으로 올바르던 값을 보여 주며, 지금은 고칠 수 없습니다.",
    tooLarge: (limit) => `값이 ${limit}개 이상인 메시지는 양식에 표시하지 않습니다. JSON으로 고쳐 주세요.`,
    onlyInJson: (names) => `JSON에만 있음: ${names}`,
    notSet: "설정 안 함",
    required: "필수",
    set: "설정",
    setOf: (name) => `${name} 설정`,
    unset: "해제",
    unsetOf: (name) => `${name} 해제`,
    add: "추가",
    addTo: (name) => `${name}에 추가`,
    remove: "삭제",
    removeOf: (name) => `${name} 삭제`,
    item: (list, number) => `${list}, ${number}번째 항목`,
    keyOf: (map, number) => `${map}, ${number}번째 키`,
    entry: (map, key) => `${map}, ${key}의 값`,
    now: "지금",
    nowFor: (name) => `${name}: 지금`,
  },

  exchangeHeading: "실제로 오간 데이터",
  exchangeIntro:
    "클라이언트가 쓰는 fetch에서 그대로 기록했습니다. 조각을 고르면 무엇인지 설명하고, 그 조각이 나타내는 값을 강조해 보여 줍니다.",
  nothingYet:
    "호출하면 스크립트가 볼 수 있는 헤더와, 본문과 쿼리의 모든 바이트가 여기에 나타납니다. 그다음 서버를 끄고(^C) 한 번 더 호출해서, 응답이 없을 때는 어떻게 보이는지도 확인해 보세요.",
  request: "요청",
  response: "응답",
  target: "요청 대상",
  headers: "헤더",
  headersHidden: "브라우저가 덧붙이며, 스크립트에서는 볼 수 없습니다. 이 호스트의 쿠키가 있으면 Cookie도 보냅니다",
  body: (bytes) => `본문 ${bytes}바이트`,
  noBody: "본문이 없습니다.",
  noBodyOfGet: "본문이 없습니다. 메시지는 요청 대상 안에 있습니다.",
  values: "값",
  decoded: "브라우저가 압축을 푼 뒤의 바이트입니다. 실제로 오간 바이트와는 다릅니다.",
  errorInJson: "Connect에서는 메시지 형식과 관계없이 오류를 JSON으로 적습니다.",
  trailersHidden: "gRPC는 본문 뒤의 트레일러에 상태를 담지만, 브라우저는 스크립트에 트레일러를 보여 주지 않습니다.",
  more: (bytes) => `이 뒤로 ${bytes}바이트가 더 있습니다.`,
  hint: { pointer: "조각을 가리키거나 방향키를 눌러 보세요.", touch: "조각을 눌러 보세요." },
  explain: {
    tag: ({ number, wireType, field }) =>
      `태그: ${number}번 필드${field ? `(${field})` : "(명세에 없는 필드)"}, 와이어 타입 ${wireType}(${WIRE_TYPES[wireType]}). ${number} × 8 + ${wireType} = ${number * 8 + wireType}.`,
    length: ({ bytes }) => `길이: 뒤에 ${bytes}바이트가 이어집니다.`,
    value: ({ type, value }, { start, end }) =>
      `값: ${String(value)}, ${type} 타입. ${aboutValue(type, value, end - start)}`,
    "group-end": ({ number }) => `${number}번 필드인 그룹이 여기서 끝납니다.`,
    mark: () => "JSON의 구두점입니다. 구조를 나타낼 뿐 값은 담지 않습니다.",
    space: () => "공백입니다. JSON에서는 아무 뜻이 없습니다.",
    key: ({ name }) => `이름 ${name}. JSON에서는 매번 이름을 그대로 적습니다.`,
    literal: ({ value }) => `값: ${JSON.stringify(value)}. 텍스트로 적혀 있습니다.`,
    flag: ({ compressed, content }) =>
      content === "trailers"
        ? "플래그 128: 트레일러가 이어집니다. 브라우저가 HTTP 트레일러를 숨기기 때문에 본문에 담습니다."
        : content === "end-stream"
          ? "플래그 2: 스트림의 끝이 이어집니다. 트레일러와 오류를 JSON으로 담습니다."
          : compressed
            ? "플래그 1: 압축된 메시지가 이어집니다."
            : "플래그 0: 압축하지 않은 메시지가 이어집니다.",
    "frame-length": ({ bytes }) => `프레임 길이. 4바이트 빅 엔디언이며, 뒤에 ${bytes}바이트가 이어집니다.`,
    compressed: () => "압축된 메시지입니다.",
    "trailer-name": ({ name }) => `트레일러 이름: ${name}.`,
    "trailer-mark": () => "트레일러의 이름, 값, 다음 줄을 구분합니다.",
    "trailer-value": ({ name, value }) =>
      name === "grpc-status"
        ? `호출 결과 상태: ${value}${value === "0" ? "(OK)" : ""}.`
        : `${name}의 값${/%[\dA-F]{2}/.test(value) ? "(퍼센트 인코딩)" : ""}: ${value}.`,
    procedure: () => "호출할 프로시저: 서비스의 전체 이름과 메서드 이름입니다.",
    "query-mark": () => "쿼리를 이루는 부분을 구분합니다.",
    "parameter-name": ({ name }) => `매개변수 이름: ${name}.`,
    "parameter-value": ({ name, value }) => `${name}의 값: ${value}.`,
    opaque: () => "여기서는 풀어 보지 않는 바이트입니다.",
    malformed: ({ expected }, { start, end }) =>
      start === end
        ? `${ko.expected[expected]} 있어야 할 자리인데 아무것도 없습니다.`
        : `${ko.expected[expected]} 있어야 할 자리인데 올바르지 않은 바이트가 있습니다.`,
  },
  expected: {
    tag: "필드의 태그가",
    length: "길이가",
    value: "온전한 값이",
    token: "JSON 토큰이",
    frame: "온전한 프레임이",
    trailer: "트레일러가",
  },

  endedBefore: "응답이 오기 전에 호출이 끝났습니다.",
  messages: (count) => `본문: 메시지 ${count}개`,
  messageLabel: (number) => `메시지 ${number}`,
  wholeMessage: (number) => `JSON으로 쓴 메시지 ${number}`,
  omitted: (messages, bytes) =>
    `여기에 메시지 ${messages}개, ${bytes}바이트가 더 왔습니다. 이 페이지는 처음과 가장 최근의 메시지만 보관합니다.`,
  endOfStream: "스트림의 끝",
  restOfStream: "마지막으로 온전한 메시지 뒤의 바이트",

  sizesHeading: "같은 호출, 프로토콜별 크기",
  sizesIntro: "이 페이지가 방금 주고받은 본문과 쿼리의 바이트 수입니다. 헤더는 포함하지 않았습니다.",
  protocol: "프로토콜",
  message: "메시지: 함수가 받거나 돌려주는 값",
  framing: "프레이밍: 메시지를 둘러싼 것, 또는 메시지 대신 온 오류",
  bytes: (count) => `${count}바이트`,
  sizeOf: (message, framing) => `메시지 ${message}, 프레이밍 ${framing}`,
  sizeOfCopy: "브라우저 캐시에서 가져옴",
  sizeDecoded: "브라우저가 압축을 푼 응답. 오갈 때의 크기와 다름",
  sizesPending: "호출하면 크기를 나란히 비교해 보여 줍니다.",
  noSizes: "응답이 오지 않아 비교할 크기가 없습니다.",
  grpcNote:
    "fetch는 트레일러를 다루지 못하므로 브라우저에서는 gRPC를 그대로 보낼 수 없습니다. gRPC 행은 측정한 값이 아니라 계산한 값이고, gRPC의 상태는 본문이 아닌 HTTP/2 트레일러로 전달됩니다.",
  grpcFrame: "gRPC라면 보냈을 프레임",

  snippetsHeading: "같은 호출을 다른 곳에서",
  snippetsIntro: "이 페이지의 입력값과 주소가 들어 있으니 그대로 붙여 넣으면 됩니다.",
  snippetsOverTls:
    "서버 인증서를 서명한 인증 기관을 이 컴퓨터가 모른다면 그 인증서 파일을 알려 주세요. grpcurl에는 -cacert FILE, buf curl과 curl에는 --cacert FILE을 덧붙이고, Python에는 GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=FILE, Node에는 NODE_EXTRA_CA_CERTS=FILE을 환경 변수로 지정합니다. 서버가 클라이언트 인증서를 요구하면 grpcurl에는 -cert FILE -key FILE, buf curl과 curl에는 --cert FILE --key FILE도 덧붙이세요.",
  copy: "복사",
  copied: "복사됨",
  notCopied: "복사하지 못함",
  pythonNote: "grpcio-tools가 필요합니다. 저장소 폴더에서 첫 줄의 명령을 먼저 실행하세요",
  typescriptNote: "저장소 폴더에서 Node 22.18 이상으로 실행하세요",
  toolLabel: "도구 또는 언어",
  curlStreamNote: "받은 메시지 바로 앞에 글자가 하나 보이면 메시지 길이의 마지막 바이트입니다",
  repositoryNote: "저장소 폴더에서 실행하세요",

  costHeading: "gRPC로 바꾸면 무엇이 달라질까",
  costIntro:
    "튜토리얼은 gRPC를 JSON 기반 HTTP API와 비교하고, 바꾸면 성능이 얼마나 달라지는지는 다음 과제로 남겨 두었습니다. 이 서버에서 확인한 사실은 다음과 같고, 수치는 튜토리얼의 GetSum을 측정한 것입니다.",
  comparison: ({ contract, benchmark: { grpc, json, heads }, number }) => [
    ["명세", `${contract}. 클라이언트에 꼭 필요`, `${contract}. 없어도 호출 가능`],
    ["생성되는 코드", "타입이 있는 클라이언트와 서버", "같은 코드, 또는 코드 없이 curl로도 충분"],
    [
      `호출당 바이트(헤더 포함, ${HEADS[heads]})`,
      `요청 ${grpc.requestBytes}, 응답 ${grpc.responseBytes}`,
      `요청 ${json.requestBytes}, 응답 ${json.responseBytes}`,
    ],
    ["HTTP 버전", "HTTP/2 전용", "HTTP/1.1 또는 HTTP/2"],
    ["브라우저에서", "불가. gRPC-Web으로 대신", "가능"],
    ["스트리밍", "요청, 응답, 양방향 모두", "불가. Connect의 프레임으로는 가능"],
    ["HTTP 캐시", "불가", "GET으로 호출하면 가능"],
    ["사람이 읽기", "명세와 도구가 있어야 가능", "그대로 읽을 수 있음"],
    [
      `호출당 서버 CPU 시간(연결 64개 × 동시 호출 1개, ${HEADS[heads]})`,
      `${number(Number(grpc.cpuMicroseconds.toPrecision(3)))} µs`,
      `${number(Number(json.cpuMicroseconds.toPrecision(3)))} µs`,
    ],
  ],
  chartHeading: "호출 한 번에 드는 서버 CPU 시간",
  chartUnit: "µs, 짧을수록 좋음, 로그 눈금",
  chartNote: ({ date, cpu, os, node, heads }) =>
    `GetSum 호출 기준(메시지 2~13바이트), ${date} 측정. ${cpu}, 서버에 코어 하나, ${os}, Node ${node}. 4 × 16은 연결 4개에서 각각 동시에 16개를 호출했다는 뜻입니다. ${heads === "trace" ? "‘호출마다 다른 헤더’에는 호출마다 값이 다른 타임아웃, 추적 정보, 요청 ID가 들어 있습니다." : "모든 호출의 헤더가 같습니다. 단순한 부하 도구가 보내는 방식입니다."} 이득은 대부분 protobuf의 적은 바이트가 아니라, 연결 하나로 여러 호출을 동시에 처리하는 HTTP/2에서 나옵니다. 그리고 프로토콜보다 라이브러리가 더 큰 차이를 만듭니다.`,
  heads: HEADS,
  own: "이 서버",
  wholeChart: "측정한 결과 전체 보기",

  footer:
    "호출에 응답하는 바로 그 서버가, 미리 만들어 둔 파일로 보여 주는 페이지입니다. 다른 곳에는 아무것도 요청하지 않습니다.",
};

const METADATA_PROBLEMS: Readonly<Record<MetadataProblem, string>> = {
  name: "이름에는 영문자, 숫자, -, _, .만 쓸 수 있습니다.",
  protocol: "프로토콜이 직접 정하는 헤더입니다.",
  browser: "브라우저가 페이지에 허용하지 않는 헤더입니다.",
  value: "값에는 화면에 보이는 ASCII 문자만 쓸 수 있습니다.",
  binary: "이름이 -bin으로 끝나면 값은 Base64여야 합니다.",
};

function aboutValue(type: string, value: unknown, bytes: number): string {
  if (/^(int32|int64|enum)$/.test(type) && Number(value) < 0) {
    const shorter = {
      int32: " sint32라면 길어도 5바이트입니다.",
      int64: " 절댓값이 작으면 sint64가 더 짧습니다.",
    }[type];
    return `음수는 항상 10바이트를 차지합니다.${shorter ?? ""}`;
  }
  if (/^sint/.test(type)) return "지그재그 varint입니다. 절댓값이 작으면 음수도 짧게 적습니다.";
  if (/^(u?int(32|64)|enum|bool)$/.test(type)) {
    return bytes === 1
      ? "varint로 적어, 작은 수는 1바이트면 됩니다."
      : `varint ${bytes}바이트. 바이트마다 7비트씩, 하위 비트부터 담습니다.`;
  }
  if (type === "string") return "UTF-8 텍스트입니다.";
  if (type === "bytes") return "바이트 그대로입니다.";
  return `항상 ${bytes}바이트이며, 하위 바이트부터(리틀 엔디언) 적습니다.`;
}
