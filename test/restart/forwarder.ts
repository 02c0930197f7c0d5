/** A TCP forwarder whose own listener never closes: each connection goes to the server that is the target when it comes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What each side says takes so long to reach the other, so that words cross on the way as they do in a network. */
const LATENCY_MS = 3;

export class Forwarder {
  /** The port on 127.0.0.1 to which connections go. */
  targetPort = 0;
  readonly #listener: Server;
  readonly #opening = new Set<Promise<void>>();

  private constructor(listener: Server) {
    this.#listener = listener;
    listener.on("connection", (socket) => this.#forward(socket));
  }

  static async listen(): Promise<Forwarder> {
    // A peer's FIN is passed on as one, and what the other still says reaches it.
    const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, "127.0.0.1");
    await once(listener, "listening");
    return new Forwarder(listener);
  }

  /** "host:port" for clients. */
  get authority(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  /** Resolves when the connections that came so far have reached the target that they were for, or its backlog. */
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

  /** What comes on one side, its end or its break too, leaves on the other, a little later. */
  #pass(from: Socket, to: Socket): void {
    from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), LATENCY_MS));
    from.on("end", () => setTimeout(() => to.end(), LATENCY_MS));
    from.on("error", () => setTimeout(() => to.resetAndDestroy(), LATENCY_MS));
  }
}
