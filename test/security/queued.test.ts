/** Attacks by responses that the client does not take. */
import { QUEUED_ATTACKS } from "./attacks/queued.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(QUEUED_ATTACKS);
