/** Keeps file descriptors for the admin port. Without them, Node closes its connections while the server of calls is full. */
import { readdirSync } from "node:fs";
import type { Limits } from "../server/limits/limits.ts";
import { openFilesLimit } from "../server/listener/file-descriptors.ts";
import { ADMIN_CONNECTIONS } from "../telemetry/admin-server.ts";

/** File descriptors for what opens after the start: listeners, the files of TLS and of the page. */
const FILES = 16;

/**
 * Returns the limits with `connections` lowered, if that many could use all file descriptors of this process. Returns them
 * unchanged if the limit on open files is unknown.
 */
export function withReserve(limits: Limits): Limits {
  const openFiles = openFilesLimit();
  if (openFiles === undefined) return limits;
  const left = openFiles - readdirSync("/proc/self/fd").length - ADMIN_CONNECTIONS - FILES;
  return { ...limits, connections: Math.max(1, Math.min(limits.connections, left)) };
}
