/** Explains to an operator the error of a server that cannot listen. */

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "no permission; ports from 1024 up need none",
  EADDRNOTAVAIL: "this machine does not have that address",
  ENOTFOUND: "unknown host name",
  EAI_AGAIN: "the host name cannot be resolved at the moment",
};

/** Returns one sentence for Node's error. `portFlag` is the flag of the port, such as "--port". */
export function listenProblem(host: string, port: number, error: NodeJS.ErrnoException, portFlag: string): string {
  const { code = "", message } = error;
  const problem =
    code === "EADDRINUSE" ? `the port is in use; choose another with ${portFlag}` : (PROBLEMS[code] ?? message);
  return `listen on ${host} port ${port}: ${problem}`;
}
