/** The command `probe`: checks the health of a server, with flags and the exit codes of grpc_health_probe. */
import { asksFor } from "../cli/flags.ts";
import { checkHealth, HealthCheckError } from "./health-check.ts";
import { ArgumentsError, readHealthCheck } from "./probe-arguments.ts";

/** The exit codes of grpc_health_probe. */
const EXIT = { serving: 0, invalidArguments: 1, connect: 2, call: 3, notServing: 4 } as const;

const HELP = `Checks the health of a server over gRPC.

  --addr ADDRESS          host:port, or unix:PATH for a Unix domain socket. Without this flag, that of the
                          server of this environment: 127.0.0.1 and PORT or 50051, with TLS if TLS_CERT is set
  --service NAME          service to check; without this flag, the whole server
  --connect-timeout TIME  time to connect, default 1s
  --rpc-timeout TIME      time for the response, default 1s
  --tls                   connect by TLS
  --tls-ca-cert FILE      certificates of the authorities to trust, in place of those of Node
  --tls-server-name NAME  name in the server's certificate; without this flag, the host of --addr
  --tls-no-verify         accept every certificate
  --tls-client-cert FILE, --tls-client-key FILE
                          certificate and key of this client, for a server that requires them

Exit code: 0 serving, 1 invalid arguments, 2 not connected, 3 no status, 4 not serving
`;

/** Checks the health of a server as `args` say. Prints the status or a sentence, and ends the process with a code of EXIT. */
export async function probe(args: readonly string[]): Promise<void> {
  if (asksFor(args) === "help") return void process.stdout.write(HELP);
  const code = await check(args);
  process.exit(code); // the lookup of a host name can outlive its timeout
}

async function check(args: readonly string[]): Promise<number> {
  try {
    const status = await checkHealth(readHealthCheck(args, process.env));
    const isServing = status === "SERVING";
    (isServing ? process.stdout : process.stderr).write(`status: ${status}\n`);
    return isServing ? EXIT.serving : EXIT.notServing;
  } catch (error) {
    if (error instanceof HealthCheckError) return fail(EXIT[error.step], error.message);
    if (error instanceof ArgumentsError) return fail(EXIT.invalidArguments, ...error.problems);
    throw error;
  }
}

function fail(code: number, ...problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`probe: ${problem}\n`);
  return code;
}
