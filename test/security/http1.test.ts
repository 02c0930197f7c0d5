/** Runs the attacks with the bytes of HTTP/1.1, and by peers that send no protocol. */
import { HTTP1_ATTACKS } from "./attacks/http1.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(HTTP1_ATTACKS);
