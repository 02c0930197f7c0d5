/**
 * Builds the image of deploy/Containerfile by buildah. No registry of images is needed: the base images are made of Debian's packages
 * by mmdebstrap, and npm takes the packages from its cache. All files are in .tools/image, apart from the user's own images.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "../../support/command.ts";
import { findProgram } from "../../support/judge.ts";

/** The programs that build an image. */
export const IMAGE_TOOLS = ["buildah", "mmdebstrap", "npm"];

const FOLDER = join(ROOT, ".tools/image");
/** The images by their last parts: the base image of the server, and that of the stage that builds it. */
const BASE = "localhost/connect-server-base";
const BUILD = "localhost/connect-server-build";
const DEBIAN = "bookworm";
/** The packages of the base image in deploy/Containerfile. A further one could hide a library that the image lacks. */
const BASE_PACKAGES = ["libc6", "libgcc-s1", "libstdc++6"];
const BUILD_PACKAGES = [...BASE_PACKAGES, "libatomic1", "dash", "coreutils"];
/** Runs the commands of a build without a runtime of containers, which would need a network of its own. */
const IN_CHROOT = ["--isolation", "chroot", "--network", "host"];
/** Programs that build on a busy machine are killed after this time. */
const HANG_MS = 300_000;

export interface Image {
  /** The name, with which `storageFlags` find it. */
  readonly name: string;
}

/** Returns the flags of buildah and podman for the folder with the images of tests. */
export async function storageFlags(): Promise<string[]> {
  await mkdir(FOLDER, { recursive: true });
  const folder = await realpath(FOLDER); // buildah and podman need the same text
  return ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
}

/** Builds the image from the repository's working tree. Rejects if a program of IMAGE_TOOLS is missing or fails. */
export async function buildImage(): Promise<Image> {
  const name = "localhost/connect-server";
  await buildBases();
  await buildah(
    ...["build", "--layers", "--format", "docker", ...IN_CHROOT],
    ...["--volume", `${await output("npm", "config", "get", "cache")}:/root/.npm:O`],
    ...["--build-arg", `BUILD_IMAGE=${BUILD}`, "--build-arg", `BASE_IMAGE=${BASE}`],
    ...["--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=abc", "--file", "deploy/Containerfile"],
    ...["--tag", name, ROOT],
  );
  return { name };
}

/** Builds an image from an image of tests, for example with another entry point. `lines` are those of its Containerfile. */
export async function deriveImage(name: string, ...lines: readonly string[]): Promise<Image> {
  await build(name, "", lines);
  return { name };
}

/** Returns the files that a build copies from a folder, sorted. */
export async function listFiles(context: string): Promise<string[]> {
  const program = `for (const each of fs.readdirSync(".", { recursive: true, withFileTypes: true })) if (each.isFile()) console.log("copied " + path.join(each.parentPath, each.name))`;
  const lines = [`FROM ${BUILD}`, "WORKDIR /context", "COPY . .", `RUN node -e '${program}'`];
  const printed = await build("localhost/connect-server-context", context, lines);
  return [...printed.matchAll(/^copied (.*)$/gm)].map(([, path = ""]) => path).sort();
}

/** Builds an image from the lines of a Containerfile and a folder. Returns what its commands print. */
async function build(name: string, context: string, lines: readonly string[]): Promise<string> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, "Containerfile");
    await writeFile(file, `${lines.join("\n")}\n`);
    return buildah("build", "--format", "docker", ...IN_CHROOT, "--file", file, "--tag", name, context || folder);
  });
}

/** Makes the base images, which stay. */
async function buildBases(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await Promise.all([debian("base", BASE_PACKAGES), debian("build", BUILD_PACKAGES)]);
  await inTemporaryFolder(async (folder) => {
    const npm = await realpath(findProgram("npm") as string);
    await cp(join(npm, "../.."), join(folder, "npm"), { recursive: true });
    await cp(process.execPath, join(folder, "node"));
    for (const name of ["base", "build"]) await cp(archiveOf(name), join(folder, `${name}.tar`));
    const lines = [
      ...["FROM scratch AS base", "ADD base.tar /"],
      ...["FROM scratch AS build", "ADD build.tar /", "COPY node /usr/local/bin/", "COPY npm /usr/local/lib/npm/"],
      "RUN ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm",
      "ENV HOME=/root npm_config_prefer_offline=true",
    ];
    await writeFile(join(folder, "Containerfile"), `${lines.join("\n")}\n`);
    await buildah("build", "--layers", ...IN_CHROOT, "--target", "base", "--tag", BASE, folder);
    await buildah("build", "--layers", ...IN_CHROOT, "--target", "build", "--tag", BUILD, folder);
  });
}

/** Makes an archive of the packages, unless it exists. */
async function debian(name: string, packages: readonly string[]): Promise<void> {
  const archive = archiveOf(name);
  if (existsSync(archive)) return;
  const unfinished = `${archive}.${process.pid}.tar`;
  await output("mmdebstrap", "--variant", "extract", "--include", packages.join(), DEBIAN, unfinished);
  await rename(unfinished, archive);
}

function archiveOf(name: string): string {
  return join(FOLDER, `${name}.tar`);
}

async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "image-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function buildah(...args: readonly string[]): Promise<string> {
  return output("buildah", ...(await storageFlags()), ...args);
}

/** Runs a program, and returns its output without the last line feed. Rejects if it fails. */
async function output(command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { timeout: HANG_MS });
  if (code !== 0) throw new Error(`run ${command} ${args.join(" ")}: it ended with ${code}: ${stderr}${stdout}`);
  return stdout.trimEnd();
}
