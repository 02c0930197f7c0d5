/** Runs the attacks on a server with TLS. */
import { TLS_ATTACKS } from "./attacks/tls.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(TLS_ATTACKS);
