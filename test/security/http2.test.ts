/** Attacks with HTTP/2's frames. */
import { HTTP2_ATTACKS } from "./attacks/http2.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(HTTP2_ATTACKS);
