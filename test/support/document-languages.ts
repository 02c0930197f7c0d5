/** Checks the blocks of documents that configure programs around the server. */
import { createRequire } from "node:module";
import { shutdownTimes } from "../../src/server/shutdown.ts";

/** The YAML parser of playwright-core, so that the tests need no package for YAML. */
const { yaml } = createRequire(import.meta.url)("playwright-core/lib/utilsBundle");

type Fields = Readonly<Record<string, unknown>>;

/** Checks a block in YAML. Returns a problem, or undefined if the block is right. */
export async function checkYaml(text: string): Promise<string | undefined> {
  let parsed: Fields;
  try {
    parsed = yaml.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  if ("spec" in parsed) return checkPod(parsed.spec as Fields);
  return `no check for ${Object.keys(parsed).join(", ")}`;
}

/** Checks that the pod has time to drain, that its probes use its ports, and that a server is healthy at each but the admin port. */
async function checkPod(spec: Fields): Promise<string | undefined> {
  const { delayMs, graceMs } = shutdownTimes({}, false);
  const secondsToStop = spec.terminationGracePeriodSeconds as number;
  if (!(secondsToStop * 1_000 > delayMs + graceMs)) return `${secondsToStop} s are too short to drain`;
  const text = JSON.stringify(spec);
  for (const [, name] of text.matchAll(/"port":"(\w+)"/g))
    if (!text.includes(`{"name":"${name}","containerPort":`)) return `no port has the name ${name}`;
  const ports = text.replace(/\{"name":"admin","containerPort":\d+\}/g, "").matchAll(/"(?:containerPort|port)":(\d+)/g);
  for (const [, port] of ports) {
    const status = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (response) => response.status,
      (error: Error) => String(error.cause),
    );
    if (status !== 200) return `port ${port}: ${status}`;
  }
  return undefined;
}
