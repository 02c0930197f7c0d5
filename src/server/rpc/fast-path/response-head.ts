/** The head of a call's answer: the same frozen object for all that did not touch it. */
import type { ResponseHead } from "../../http/exchange.ts";
import type { UnaryCall } from "./call.ts";

/** The head of an answer of status 200, with what its handler set. */
export function responseHead(call: UnaryCall): ResponseHead {
  const header = call.touchedHeader;
  return header === undefined ? call.plan.heads.head : { status: 200, fields: [...header] };
}
