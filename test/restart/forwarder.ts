/** Forwards TCP connections to the current server. Its own listener never closes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** The delay of all bytes in each direction, so that messages of both sides cross as they do in a network. */
const LATENCY_MS = 3;

export class Forwarder {
  /** The port on 127.0.0.1 to which new connections are forwarded. */
  targetPort = 0;
  readonly #listener: Server;
  readonly #opening = new Set<Promise<void>>();

  private constructor(listener: Server) {
    this.#listener = listener;
    listener.on("connection", (socket) => this.#forward(socket));
  }

  static async listen(): Promise<Forwarder> {
    // Forwards a FIN alone, so that the peer still gets the bytes of the other side.
    const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new Forwarder(listener);
  }

  /** The "host:port" for clients. */
  get authority(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Resolves when all connections so far have reached their server, or its backlog. */
  async opened(): Promise<void> {
    await Promise.all(this.#opening);
  }

  #forward(client: Socket): void {
    const server = connect({ host: "127.0.0.1", port: this.targetPort, allowHalfOpen: true, noDelay: true });
    const opening = new Promise<void>((resolve) => server.once("connect", resolve).once("close", () => resolve()));
    this.#opening.add(opening);
    opening.then(() => this.#opening.delete(opening));
    this.#pass(client, server);
    this.#pass(server, client);
  }

  /** Forwards bytes, FIN and errors from one side to the other, a little later. */
  #pass(from: Socket, to: Socket): void {
    from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), LATENCY_MS));
    from.on("end", () => setTimeout(() => to.end(), LATENCY_MS));
    from.on("error", () => setTimeout(() => to.resetAndDestroy(), LATENCY_MS));
  }
}
