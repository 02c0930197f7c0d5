/** `GET /healthz`: the health of the server, or of one service with ?service=NAME, for probes that speak plain HTTP. */
import type { Handler } from "../http/exchange.ts";
import { checkMethod, respondText } from "../http/responses.ts";
import type { HealthStatus, Status } from "./health-status.ts";

const METHODS = ["GET", "HEAD"];
const PATH = "/healthz";

/** The status codes are those of grpc-gateway's health endpoint. */
const RESPONSES = {
  serving: { status: 200, text: "serving\n" },
  "not-serving": { status: 503, text: "not serving\n" },
  unknown: { status: 404, text: "no such service\n" },
} as const satisfies Record<Status, { status: number; text: string }>;

/** True if the path is /healthz, with or without a query. */
export function isHealthz(path: string): boolean {
  return path === PATH || path.startsWith(`${PATH}?`);
}

export function createHealthz(health: HealthStatus): Handler {
  return (exchange) => {
    if (!checkMethod(exchange, METHODS)) return;
    const { path } = exchange.request;
    const service = new URLSearchParams(path.slice(PATH.length)).get("service") ?? "";
    const { status, text } = RESPONSES[health.get(service)];
    respondText(exchange, status, text, [["cache-control", "no-store"]]);
  };
}
