/** Decides if the program serves the page. */
import { type Page, readPage } from "../server/site/page.ts";

/** "loopback" serves the page only if the server listens on loopback. */
export type PageSetting = "on" | "off" | "loopback";

export interface PageChoice {
  readonly page: Page | undefined;
  /** The reason for which a page that was not turned off is missing. */
  readonly missing: "not built" | "beyond loopback" | "inherited" | undefined;
}

/**
 * `folder` has the built page. `isLocal` is true if the server will listen on loopback, and undefined if its sockets are
 * inherited: their addresses are unknown before it listens.
 */
export function choosePage(setting: PageSetting, folder: string | undefined, isLocal: boolean | undefined): PageChoice {
  if (setting === "off" || folder === undefined) return { page: undefined, missing: undefined };
  if (setting === "loopback" && !isLocal)
    return { page: undefined, missing: isLocal === undefined ? "inherited" : "beyond loopback" };
  const page = readPage(folder);
  return { page, missing: page === undefined ? "not built" : undefined };
}
