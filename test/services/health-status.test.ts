/** Tests the status of services and its watchers, without a protocol. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthStatus, type Status } from "../../src/server/services/health-status.ts";

test("a service that nobody registered is unknown", () => {
  const health = new HealthStatus();
  assert.equal(health.get("a"), "unknown");
  assert.deepEqual([...health.list()], []);
});

test("a service has the status that was set last, also in the list", () => {
  const health = new HealthStatus();
  health.set("a", "serving");
  health.set("b", "serving");
  health.set("a", "not-serving");
  assert.deepEqual([health.get("a"), health.get("b")], ["not-serving", "serving"]);
  assert.deepEqual(Object.fromEntries(health.list()), { a: "not-serving", b: "serving" });
});

test("a watcher gets each change of its service, and only changes", () => {
  const health = new HealthStatus();
  const told = watch(health, "a");
  for (const status of ["serving", "serving", "not-serving", "serving"] as const) health.set("a", status);
  health.set("b", "not-serving");
  assert.deepEqual(told, ["serving", "not-serving", "serving"]);
});

test("every watcher of a service gets its changes", () => {
  const health = new HealthStatus();
  const told = [watch(health, "a"), watch(health, "a")];
  health.set("a", "serving");
  assert.deepEqual(told, [["serving"], ["serving"]]);
});

test("a watcher that stopped gets no more changes, and the others do", () => {
  const health = new HealthStatus();
  const told: Status[] = [];
  const stop = health.watch("a", (status) => told.push(status));
  const others = watch(health, "a");
  health.set("a", "serving");
  stop();
  stop();
  health.set("a", "not-serving");
  assert.deepEqual([told, others], [["serving"], ["serving", "not-serving"]]);
});

test("a watcher that stops twice does not remove a newer one", () => {
  const health = new HealthStatus();
  const stop = health.watch("a", () => {});
  stop();
  const told = watch(health, "a");
  stop();
  health.set("a", "serving");
  assert.deepEqual(told, ["serving"]);
});

test("a shutdown turns every registered service to not-serving, and tells the watchers", () => {
  const health = new HealthStatus();
  health.set("a", "serving");
  health.set("b", "not-serving");
  const told = [watch(health, "a"), watch(health, "b"), watch(health, "c")];
  health.shutDown();
  assert.deepEqual(Object.fromEntries(health.list()), { a: "not-serving", b: "not-serving" });
  assert.deepEqual(told, [["not-serving"], [], []]);
});

test("setting a status after a shutdown changes nothing", () => {
  const health = new HealthStatus();
  health.set("a", "serving");
  health.shutDown();
  const told = [watch(health, "a"), watch(health, "b")];
  health.set("a", "serving");
  health.set("b", "serving");
  assert.deepEqual([health.get("a"), health.get("b"), told], ["not-serving", "unknown", [[], []]]);
});

/** Returns a list that receives the statuses of the service from now on. */
function watch(health: HealthStatus, service: string): readonly Status[] {
  const told: Status[] = [];
  health.watch(service, (status) => told.push(status));
  return told;
}
