/** Listens on a free port, which each server here prints when it is ready. */
import type { AddressInfo, Server } from "node:net";

/** Prints the port. */
export function announce({ port }: { port: number }): void {
  console.log(port);
}

/** Listens, and announces the port. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => announce(server.address() as AddressInfo));
}
