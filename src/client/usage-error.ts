/** An invalid argument of the client script. The message is a sentence that names the argument. */
export class UsageError extends Error {}
