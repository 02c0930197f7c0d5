/** A model of connections behind a balancer: replicas start, drain and end, and connections age. Its random numbers repeat. */

/** The way in which a balancer of connections chooses a replica for a new connection. */
export type Policy = "random" | "round robin" | "least connections";

export interface FleetOptions {
  readonly policy: Policy;
  /** The maximum age of connections in seconds. Infinity is off. */
  readonly ageSeconds: number;
  /** The largest part of the age by which that of a connection differs from it. The default is the server's. */
  readonly jitter?: number;
  /** "exponential" is for connections that clients end at any time, `ageSeconds` after their begin on average. */
  readonly lifetimes?: "fixed" | "exponential";
  /** The interval at which the ages are checked. The default is 0: a connection closes as soon as it has reached its age. */
  readonly checkSeconds?: number;
  readonly random: () => number;
}

/** The jitter of maxConnectionAgeMs in src/server/limits/connection-age.ts. */
export const JITTER = 0.1;

/** Returns a generator of numbers from 0 to below 1, which are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Connection {
  replica: number;
  /** The time in seconds at which the connection reaches its age. */
  closeAt: number;
}

/** Replicas, each with its connections. A client connects again at once when its connection closes. */
export class Fleet {
  /** Time in seconds since the begin. */
  now = 0;
  /** Number of connections that were opened because another one closed. */
  reconnects = 0;
  readonly #options: Required<FleetOptions>;
  readonly #replicas: Set<Connection>[] = [];
  /** The numbers of the replicas that accept connections. */
  #ready: number[] = [];
  #turn = 0;
  readonly #due = new DueTimes();
  readonly #firstCheck: number;

  constructor(options: FleetOptions) {
    this.#options = { jitter: JITTER, lifetimes: "fixed", checkSeconds: 0, ...options };
    this.#firstCheck = this.#options.checkSeconds === 0 ? 0 : options.random() * this.#options.checkSeconds;
  }

  /** The numbers of the replicas that accept connections, the oldest first. */
  get ready(): readonly number[] {
    return this.#ready;
  }

  /** Returns the number of connections of a replica. */
  connectionsOf(replica: number): number {
    return this.#replicas[replica]?.size ?? 0;
  }

  /** Returns the numbers of connections of the replicas that accept connections. */
  loads(): number[] {
    return this.#ready.map((replica) => this.connectionsOf(replica));
  }

  /** Adds a replica that accepts connections, and returns its number. */
  start(): number {
    this.#ready.push(this.#replicas.push(new Set()) - 1);
    return this.#replicas.length - 1;
  }

  /** Ends replicas gracefully. Their connections are opened again at the others. */
  drain(...replicas: readonly number[]): void {
    this.#ready = this.#ready.filter((each) => !replicas.includes(each));
    for (const replica of replicas) {
      for (const connection of this.#replicas[replica] ?? []) this.#connect(connection);
      this.reconnects += this.connectionsOf(replica);
      this.#replicas[replica]?.clear();
    }
  }

  /** Opens connections. Their ages begin at any time in the past if `isSteady`, and now otherwise. */
  connect(count: number, isSteady = true): void {
    const { ageSeconds, lifetimes, random } = this.#options;
    const hasBegun = isSteady && lifetimes === "fixed" && ageSeconds !== Infinity;
    for (let i = 0; i < count; i++) {
      const connection = { replica: -1, closeAt: 0 };
      this.#connect(connection);
      if (hasBegun) this.#closeAt(connection, this.now + ageSeconds * random());
    }
  }

  /** Continues to a time in seconds. Connections that reach their age until then are opened again. */
  runTo(seconds: number): void {
    for (let due = this.#due.takeUntil(seconds); due !== undefined; due = this.#due.takeUntil(seconds)) {
      const { at, connection } = due;
      if (at !== connection.closeAt) continue; // the connection was opened again before its age
      this.now = at;
      this.#replicas[connection.replica]?.delete(connection);
      this.reconnects++;
      this.#connect(connection);
    }
    this.now = seconds;
  }

  /** Opens the connection at the replica that the policy chooses. */
  #connect(connection: Connection): void {
    const { ageSeconds, jitter, lifetimes, random } = this.#options;
    connection.replica = this.#choose();
    this.#replicas[connection.replica]?.add(connection);
    const part = lifetimes === "fixed" ? 1 + jitter * (2 * random() - 1) : -Math.log(1 - random());
    this.#closeAt(connection, this.now + ageSeconds * part);
  }

  #closeAt(connection: Connection, reached: number): void {
    const { checkSeconds } = this.#options;
    const first = this.#firstCheck;
    const at = checkSeconds === 0 ? reached : first + Math.ceil((reached - first) / checkSeconds) * checkSeconds;
    connection.closeAt = at;
    if (at !== Infinity) this.#due.add({ at, connection });
  }

  #choose(): number {
    const { policy, random } = this.#options;
    const ready = this.#ready;
    if (ready.length === 0) throw new Error("open a connection: no replica is ready");
    const from = policy === "round robin" ? this.#turn++ % ready.length : Math.floor(random() * ready.length);
    if (policy !== "least connections") return ready[from] as number;
    let least = ready[from] as number; // equal replicas have equal chances
    for (let i = 1; i < ready.length; i++) {
      const replica = ready[(from + i) % ready.length] as number;
      if (this.connectionsOf(replica) < this.connectionsOf(least)) least = replica;
    }
    return least;
  }
}

interface Due {
  readonly at: number;
  readonly connection: Connection;
}

/** A queue of connections by the times of their ends, as a binary heap. */
class DueTimes {
  readonly #heap: Due[] = [];

  add(due: Due): void {
    const heap = this.#heap;
    let index = heap.push(due) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Due;
      if (parent.at <= due.at) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = due;
  }

  /** Removes and returns the first one, or returns undefined if it is later than this time. */
  takeUntil(seconds: number): Due | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.at > seconds) return undefined;
    const last = heap.pop() as Due;
    if (heap.length === 0) return first;
    let index = 0;
    for (let below = 1; below < heap.length; below = 2 * index + 1) {
      if (below + 1 < heap.length && (heap[below + 1] as Due).at < (heap[below] as Due).at) below++;
      const child = heap[below] as Due;
      if (child.at >= last.at) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}
