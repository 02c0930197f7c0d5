/** The interface of a part of telemetry. A part is made before the server, and observes calls or serves the operator. */
import type { Observer } from "../server/rpc/observer.ts";
import type { Server } from "../server/server.ts";

/** A part of telemetry, such as metrics. */
export interface TelemetryPart {
  /** Observes the calls. If undefined, the part does not observe calls. */
  readonly observer?: Observer;
  /** Called once, when the server is created, before it listens. Rejects if the part cannot start. */
  start?(server: Server): Promise<void>;
  /** Called once, when the server listens. May return a line for the operator. */
  listening?(): string | undefined;
  /** Called once, when all calls have ended. Resolves when the part has sent what it has; must not reject. */
  close?(): Promise<void>;
  /** Called once, as the last step of the program, when all parts are closed. */
  end?(): void;
}
