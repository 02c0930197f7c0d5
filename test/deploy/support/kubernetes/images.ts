/** The images of the cluster, as archives: that of deploy/Containerfile with the program of the drill, and the process of pods. */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../../../tools/bundle.ts";
import { findProgram } from "../../../support/judge.ts";
import { buildImage, storageFlags } from "../image.ts";
import { command } from "./sandbox.ts";

/** The image of the test. A tag other than "latest" lets kubelet use it without a registry. */
export const SERVER = { name: "localhost/connect-server-drill", tag: "test" };
/** The image of the process that holds the namespaces of a pod. */
export const PAUSE = "localhost/pause:test";

/** Builds the images, and writes their archives into the folder. Returns the paths. Rejects if a program is missing or fails. */
export async function buildImages(folder: string): Promise<string[]> {
  const { name } = await buildImage();
  const program = join(folder, "program");
  await bundle(program, "./test/restart/slow-main.ts");
  const pause = join(folder, "pause");
  mkdirSync(pause);
  const catatonit = findProgram("catatonit");
  if (catatonit === undefined) throw new Error("build the image of the pause process: catatonit is not on PATH");
  cpSync(catatonit, join(pause, "pause"));
  return [
    await commit(folder, `${SERVER.name}:${SERVER.tag}`, name, [join(program, "server.mjs"), "/app/server.mjs"]),
    await commit(folder, PAUSE, "scratch", [join(pause, "pause"), "/pause"], "--entrypoint", '["/pause", "-P"]'),
  ];
}

/** Makes an image with one more file and other settings, and writes its archive. */
async function commit(
  folder: string,
  name: string,
  base: string,
  [from, to]: readonly [string, string],
  ...settings: readonly string[]
): Promise<string> {
  const storage = await storageFlags();
  const buildah = (...args: readonly string[]): string => command("buildah", ...storage, ...args).trim();
  const archive = join(folder, `${name.replaceAll(/\W/g, "-")}.tar`);
  const container = buildah("from", "--pull-never", base);
  try {
    buildah("copy", container, from, to);
    if (settings.length > 0) buildah("config", ...settings, container);
    buildah("commit", container, name);
    buildah("push", name, `docker-archive:${archive}:${name}`);
  } finally {
    buildah("rm", container);
  }
  return archive;
}
