/** Runs the attacks with large messages, over both HTTP versions. */
import { MESSAGE_ATTACKS } from "./attacks/messages.ts";
import { testAttacksApart } from "./support/run-attacks.ts";

testAttacksApart(MESSAGE_ATTACKS);
