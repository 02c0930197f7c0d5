/** Runs a real DNS server, dnsmasq, with one name. */
import { Resolver } from "node:dns/promises";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startOutside } from "../../support/outside-process.ts";
import { freePort } from "../../support/prometheus.ts";

/** The name that the server knows. */
export const NAME = "replicas.test";
const START_MS = 10_000;
const POLL_MS = 20;

export interface NameServer {
  /** The address as "host:port". */
  readonly authority: string;
  /** Changes the addresses of NAME. Resolves when the server responds with these. */
  set(addresses: readonly string[]): Promise<void>;
}

/** Starts the program `path`, which knows these addresses of NAME. */
export async function startNameServer(t: TestContext, path: string, addresses: readonly string[]): Promise<NameServer> {
  const folder = await mkdtemp(join(tmpdir(), "dns-"));
  const hosts = join(folder, "hosts");
  const write = (all: readonly string[]) => writeFile(hosts, all.map((address) => `${address} ${NAME}\n`).join(""));
  await write(addresses);
  const port = await freePort();
  const args = [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", `--user=${userInfo().username}`],
    ...[`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"],
    ...["--no-resolv", "--no-hosts", `--addn-hosts=${hosts}`, `--local=/${NAME}/`],
  ];
  const { child, stderr } = startOutside(t, path, args, folder);
  const authority = `127.0.0.1:${port}`;
  const resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([authority]);
  const knows = async (all: readonly string[]): Promise<void> => {
    const expected = all.toSorted().join();
    for (const end = performance.now() + START_MS; ; ) {
      const found = await resolver.resolve4(NAME).catch(() => []);
      if (found.toSorted().join() === expected) return;
      if (performance.now() > end) throw new Error(`ask dnsmasq for ${NAME}: got ${found.join() || stderr()}`);
      await sleep(POLL_MS);
    }
  };
  await knows(addresses);
  return {
    authority,
    async set(all) {
      await write(all);
      child.kill("SIGHUP"); // reads the file again
      await knows(all);
    },
  };
}
