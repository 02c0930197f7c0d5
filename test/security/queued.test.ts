/** Runs the attacks by clients that do not read responses. */
import { QUEUED_ATTACKS } from "./attacks/queued.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(QUEUED_ATTACKS);
