/** Runs the attacks with calls that Connect's handlers serve, over both HTTP versions. */
import { ATTACKS_WITHOUT_FAST_PATH } from "./attacks/without-fast-path.ts";
import { testAttacks } from "./support/run-attacks.ts";

testAttacks(ATTACKS_WITHOUT_FAST_PATH);
