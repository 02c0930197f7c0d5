/** The error that ends a connection whose peer exceeded a limit (RFC 9113, 5.4.1). */
import type { LimitName } from "../../limits/limits.ts";
import { ConnectionError, type ErrorCode } from "../frames/types.ts";

export class LimitError extends ConnectionError {
  /** The exceeded limit, for the log. */
  readonly limit: LimitName;

  constructor(code: ErrorCode, message: string, limit: LimitName) {
    super(code, message);
    this.limit = limit;
  }
}
