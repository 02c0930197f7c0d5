/** Attacks by calls that Connect's handlers serve. Every bound of the fast path must hold for them too. */
import type { Attack } from "../support/attack.ts";
import { pick } from "../support/pick.ts";
import { CALL_ATTACKS } from "./calls.ts";

/** Attacks for which other code reads the bytes of the call or starts the handler. */
const NAMES = [
  "a gzip bomb of 50 MB",
  "a br bomb of 50 MB",
  "a message over its bytes",
  "JSON as deep as a message is long",
  "protobuf groups as deep as a message is long",
  "a timeout of years, and a handler that never ends",
  "a timeout, and a handler that does not look at it",
  "more calls than the server has room for",
  "more bodies at once than the server has room for",
  "more than a message, and not all of it",
  "parts of messages of more streams than the server has room for",
  "a stream that is not read",
];

export const ATTACKS_WITHOUT_FAST_PATH: readonly Attack[] = pick(CALL_ATTACKS, NAMES).map((attack) => ({
  ...attack,
  fastPath: false,
}));
