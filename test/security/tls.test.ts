/** Attacks on a server that speaks TLS. */
import { TLS_ATTACKS } from "./attacks/tls.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(TLS_ATTACKS);
