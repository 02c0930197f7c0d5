/** Runs the attacks with calls, over both HTTP versions. */
import { CALL_ATTACKS } from "./attacks/calls.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(CALL_ATTACKS);
