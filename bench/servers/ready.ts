/** Listens on a free port, and prints the port for the benchmark. */
import type { AddressInfo, Server } from "node:net";

/** Prints the port, which tells the benchmark that the server is ready. */
export function announce({ port }: { port: number }): void {
  console.log(port);
}

/** Listens on a free port of 127.0.0.1, then prints the port. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => announce(server.address() as AddressInfo));
}
