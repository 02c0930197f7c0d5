/** A program on the package, in one line. */
import { run } from "@connect-sum/server/run";
import { routes } from "./routes.js";

void run({ routes });
