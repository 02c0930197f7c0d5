/** Listens on the addresses of the program: its host and port, or the sockets that it has inherited. */
import { lookup } from "node:dns/promises";
import type { BoundAddress } from "../server/listener/listen-address.ts";
import { listenProblem } from "../server/listener/listen-problem.ts";
import type { LogRecord } from "../server/log/record.ts";
import type { Server } from "../server/server.ts";
import type { InheritedSocket } from "./inherited-sockets.ts";
import { fail } from "./process-log.ts";
import type { Config } from "./settings.ts";

/** The host and port of the settings. The host is an IP address. */
export interface OwnAddress {
  readonly host: string;
  readonly port: number;
}

/** Returns the address to listen on. Ends the process with exit code 1 if the host is unknown. */
export async function resolveHost({ host, port }: Config): Promise<OwnAddress> {
  const { address } = await lookup(host).catch((error) => fail(1, "listen_error", problem({ host, port }, error)));
  return { host: address, port };
}

/**
 * Listens on the address, or on each of the sockets. Resolves with the bound addresses. Ends the process with exit
 * code 1 if it cannot listen on one of them.
 */
export async function listenOn(
  server: Server,
  { host, port }: Config,
  target: OwnAddress | readonly InheritedSocket[],
): Promise<readonly [BoundAddress, ...BoundAddress[]]> {
  const failToListen = (sentence: string): never => fail(1, "listen_error", sentence);
  if ("host" in target)
    return [await server.listen(target).catch((error) => failToListen(problem({ host, port }, error)))];
  const bound: BoundAddress[] = [];
  for (const { fd, name } of target)
    bound.push(await server.listen({ fd }).catch((error) => failToListen(socketProblem({ fd, name }, error))));
  return bound as [BoundAddress, ...BoundAddress[]];
}

/** Returns a record that names the sockets, in place of --host and --port. */
export function socketsRecord(sockets: readonly InheritedSocket[]): LogRecord {
  const names = sockets.map(({ fd, name }) => `${fd} (${name})`).join(", ");
  const message = `serve on inherited sockets; --host and --port are not used; file descriptors: ${names}`;
  return { level: "info", event: "inherited_sockets", message, sockets: sockets.length };
}

function problem({ host, port }: OwnAddress, error: NodeJS.ErrnoException): string {
  return listenProblem(host, port, error, "--port");
}

function socketProblem({ fd, name }: InheritedSocket, { code, message }: NodeJS.ErrnoException): string {
  const isInvalid = code === "EINVAL" || code === "EBADF" || code === "ENOTSOCK";
  return `listen on file descriptor ${fd} (${name}): ${isInvalid ? `not a stream socket that listens (${code})` : message}`;
}
