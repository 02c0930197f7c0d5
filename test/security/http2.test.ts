/** Runs the attacks with the frames of HTTP/2. */
import { HTTP2_ATTACKS } from "./attacks/http2.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(HTTP2_ATTACKS);
