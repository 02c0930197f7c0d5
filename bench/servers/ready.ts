/** Listens on a free port and prints it, for each server in this folder. */
import type { AddressInfo, Server } from "node:net";

/** Prints the port, which tells the benchmark that the server is ready. */
export function announce({ port }: { port: number }): void {
  console.log(port);
}

/** Listens on a free port of 127.0.0.1, then prints it. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => announce(server.address() as AddressInfo));
}
