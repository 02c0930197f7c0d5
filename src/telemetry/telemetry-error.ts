/** Errors of telemetry that the operator can mend: a package that is not installed, or an address that is in use. */

/** Ends the process at its start with one sentence: the message. */
export class TelemetryError extends Error {
  /** 1 if the machine does not allow what the settings ask for, 2 if the settings are invalid. */
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Returns what `load` returns, which is a dynamic import of the package `packageName`. Throws TelemetryError if the package is
 * not installed. `setting` is the flag that asks for the package, such as "--admin-port". `needed` are the names of all packages
 * that the setting needs.
 */
export async function importOptional<T>(
  setting: string,
  packageName: string,
  load: () => Promise<T>,
  needed = packageName,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
    // A package of the package may be missing too. Its name is in the message, and an installation mends both.
    if (!isMissing || !message.includes(packageName)) throw error;
    throw new TelemetryError(2, `${setting}: ${packageName} is not installed; npm install ${needed}`);
  }
}
