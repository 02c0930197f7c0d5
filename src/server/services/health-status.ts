/** Stores the health status of each service and notifies watchers of changes. */

/** The status of a service; "unknown" if the service is not registered. */
export type Status = "serving" | "not-serving" | "unknown";

type Watcher = (status: Status) => void;

/** Stores the status of each registered service. The empty name stands for the whole server. */
export class HealthStatus {
  readonly #statuses = new Map<string, Status>();
  readonly #watchers = new Map<string, Set<Watcher>>();
  #shutDown = false;

  /** Registers a service with a status, or changes its status. Has no effect after `shutDown`. */
  set(service: string, status: "serving" | "not-serving"): void {
    if (!this.#shutDown) this.#change(service, status);
  }

  /** Returns the status of a service; "unknown" if it is not registered. */
  get(service: string): Status {
    return this.#statuses.get(service) ?? "unknown";
  }

  /** Returns all registered services with their status. */
  list(): ReadonlyMap<string, Status> {
    return this.#statuses;
  }

  /** Calls the watcher at each change of the service's status, until the returned function is called. */
  watch(service: string, watcher: Watcher): () => void {
    const watchers = this.#watchers.get(service) ?? new Set();
    this.#watchers.set(service, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      // If this function is called twice, the map may already contain a new set of other watchers.
      if (watchers.size === 0 && this.#watchers.get(service) === watchers) this.#watchers.delete(service);
    };
  }

  /** Sets every service to "not-serving" permanently. */
  shutDown(): void {
    this.#shutDown = true;
    for (const service of this.#statuses.keys()) this.#change(service, "not-serving");
  }

  #change(service: string, status: Status): void {
    if (this.#statuses.get(service) === status) return;
    this.#statuses.set(service, status);
    for (const watcher of this.#watchers.get(service) ?? []) watcher(status);
  }
}
