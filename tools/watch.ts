/**
 * Watches folders, not files. An editor that renames a new file over a watched one would end the watch of that file.
 */
import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { join } from "node:path";

const RESCAN_MS = 50;

/**
 * Calls `changed` with the path, relative to `root`, of each file or folder that is created, removed or changed.
 * `wanted` selects the paths to report and the folders to watch. Returns a function that stops watching.
 */
export function watchFolders(
  root: string,
  wanted: (path: string) => boolean,
  changed: (path: string) => void,
): () => void {
  const watchers = new Map<string, { readonly inode: number; readonly watcher: FSWatcher }>();
  let rescan: NodeJS.Timeout | undefined;

  function scan(): void {
    rescan = undefined;
    const folders = new Map(listFolders(root, "", wanted));
    for (const [folder, { inode, watcher }] of watchers) {
      if (folders.get(folder) === inode) continue;
      watcher.close();
      watchers.delete(folder);
    }
    for (const [folder, inode] of folders) {
      if (!watchers.has(folder)) watchers.set(folder, { inode, watcher: watchOne(folder) });
    }
  }
  function watchOne(folder: string): FSWatcher {
    const watcher = watch(join(root, folder), (event, name) => {
      const path = join(folder, name ?? "");
      if (!wanted(path)) return;
      if (event === "rename") rescan ??= setTimeout(scan, RESCAN_MS); // a folder may have come or gone
      changed(path);
    });
    return watcher.on("error", () => watcher.close()); // the folder was removed, which the watcher of its parent reports
  }

  scan();
  return () => {
    clearTimeout(rescan);
    for (const { watcher } of watchers.values()) watcher.close();
  };
}

/**
 * Returns `folder` and the wanted folders below it, each with its inode. The inode differs if a folder was replaced by
 * a new one of the same name.
 */
function listFolders(root: string, folder: string, wanted: (path: string) => boolean): [string, number][] {
  const path = join(root, folder);
  try {
    const folders = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name))
      .filter(wanted);
    return [[folder, statSync(path).ino], ...folders.flatMap((each) => listFolders(root, each, wanted))];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // the folder was removed meanwhile
    throw error;
  }
}
