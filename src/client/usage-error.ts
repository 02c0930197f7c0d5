/** An argument of the client script that is not allowed, in a sentence that names it. */
export class UsageError extends Error {}
