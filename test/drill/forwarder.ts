/** A TCP forwarder whose own listener never closes: each connection goes to the server that is the target when it comes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Forwarder {
  /** The port on 127.0.0.1 to which connections go. */
  targetPort = 0;
  readonly #listener: Server;
  readonly #opening = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();

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

  close(): void {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #forward(client: Socket): void {
    const server = connect({ host: "127.0.0.1", port: this.targetPort, allowHalfOpen: true, noDelay: true });
    const opening = new Promise<void>((resolve) => server.once("connect", resolve).once("close", resolve));
    this.#opening.add(opening);
    opening.then(() => this.#opening.delete(opening));
    this.#join(client, server);
    this.#join(server, client);
    client.pipe(server).pipe(client);
  }

  /** A connection that breaks breaks the other too: a reset is passed on as a reset. */
  #join(socket: Socket, other: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => other.resetAndDestroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (!socket.readableEnded) other.destroy();
    });
  }
}
