/** The child process that sends messages to systemd by `systemd-notify`. */
import type { Socket } from "node:net";
import type { Writable } from "node:stream";

/** Separates the assignments of a message, which is one line. The shell splits the line at it. */
export const SEPARATOR = "\t";
/** The signals of a shutdown are for the server, and not for its sender. */
const SEND_LINES = `trap '' HUP INT TERM; set -f; IFS='${SEPARATOR}'; while IFS= read -r line; do systemd-notify $line; done`;

/**
 * Starts the child process that sends a message for each line of its input, which is returned. It ends with its input, and does
 * not keep this process alive. `socket` is the value of NOTIFY_SOCKET. `onEnd` is called once, also if the child could not start.
 */
export function startSender(
  socket: string,
  onFailure: (reason: string) => void,
  onEnd: () => void,
): Writable | undefined {
  const { spawn } = process.getBuiltinModule("node:child_process");
  const env = { NOTIFY_SOCKET: socket, PATH: process.env.PATH };
  let hasEnded = false;
  function end(reason: string): void {
    if (hasEnded) return;
    hasEnded = true;
    onFailure(reason);
    onEnd();
  }
  try {
    const child = spawn("/bin/sh", ["-c", SEND_LINES], { env, stdio: ["pipe", "ignore", "pipe"] });
    child.on("error", ({ message }) => end(message));
    child.on("exit", (code, signal) => end(`its sender ended with ${code ?? signal}`));
    child.unref();
    if (child.stdin === undefined) return undefined; // no file descriptor is left, and an error event follows
    child.stdin.on("error", () => {}); // the sender has ended
    child.stderr.setEncoding("utf8").on("data", (text: string) => onFailure(text.split("\n")[0] ?? ""));
    for (const stream of [child.stdin, child.stderr]) (stream as Socket).unref();
    return child.stdin;
  } catch (error) {
    process.nextTick(end, (error as Error).message); // for example, no memory is left
    return undefined;
  }
}
