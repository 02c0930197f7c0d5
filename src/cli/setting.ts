/** A setting of the process: its flag, its environment variable and its allowed values. */

export interface Setting<T> {
  readonly flag: string;
  readonly env: string;
  /** The word for the value in `--help`, such as PORT. */
  readonly takes: string;
  /** Undefined if the setting is optional and without a default. */
  readonly default: string | undefined;
  /** A note that `--help` adds to the default. */
  readonly defaultNote?: string;
  readonly help: string;
  /** The allowed values, as text that follows "must be". */
  readonly allowed: string;
  /** The new name of each value that was renamed. */
  readonly renamedValues?: Readonly<Record<string, string>>;
  /** Returns the value, or undefined if the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
}
