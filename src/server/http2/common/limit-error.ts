/** The error of a connection that exceeded a limit. */
import type { LimitName } from "../../limits/limits.ts";
import { ConnectionError, type ErrorCode } from "../frames/types.ts";

/** A connection error (RFC 9113, 5.4.1) that names the exceeded limit, for the log. */
export class LimitError extends ConnectionError {
  readonly limit: LimitName;

  constructor(code: ErrorCode, message: string, limit: LimitName) {
    super(code, message);
    this.limit = limit;
  }
}
