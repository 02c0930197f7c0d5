/** Sends SIGHUP to its own process when kubelet has replaced the files of the Secret, so that the server loads them. */
import { readlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/** Kubelet writes the files of a volume into a new folder, and then points this link to it. */
const LINK = join(dirname(process.env.TLS_CERT), "..data");
const CHECK_MS = 10_000;

let loaded = readlinkSync(LINK);
setInterval(() => {
  const newest = readlinkSync(LINK);
  // Without the server's handler, the signal would end the process.
  if (newest === loaded || process.listenerCount("SIGHUP") === 0) return;
  loaded = newest;
  process.kill(process.pid, "SIGHUP");
}, CHECK_MS).unref();
