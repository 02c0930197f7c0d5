/**
 * A node for the control plane: containerd, kubelet and kube-proxy, with the controllers, the scheduler and DNS. All run in this
 * network namespace, and pods are on a bridge of it.
 */

import { existsSync, globSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ControlPlane, until } from "./control-plane.ts";
import { PAUSE } from "./images.ts";
import { command } from "./sandbox.ts";

/** The address of the node, on an interface that leads nowhere. */
export const NODE_ADDRESS = "10.60.0.1";
const GATEWAY = "10.60.0.254";
const PODS = "10.61.0.0/24";
const SOCKET = "/run/containerd/containerd.sock";
const READY_MS = 120_000;
const REMOVE_MS = 10_000;

/** Gives this network namespace an address, a default route and forwarding. */
export function prepareNetwork(): void {
  command("ip", "link", "add", "node0", "type", "veth", "peer", "name", "nowhere0");
  command("ip", "link", "set", "nowhere0", "up");
  command("ip", "address", "add", `${NODE_ADDRESS}/24`, "dev", "node0");
  command("ip", "link", "set", "node0", "up");
  command("ip", "route", "add", "default", "via", GATEWAY);
  command("sysctl", "-w", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1");
}

/** Starts all programs of a node. Resolves when the node is ready. `cgroup` is the name of the cgroup of all pods. */
export async function startNode(
  cluster: ControlPlane,
  programs: string,
  cgroup: string,
  images: readonly string[],
): Promise<void> {
  const { folder, kubeconfig } = cluster;
  await startContainerd(cluster, images);
  cluster.start(join(programs, "kube-controller-manager"), [
    ...["--kubeconfig", kubeconfig, "--leader-elect=false", "--horizontal-pod-autoscaler-sync-period", "2s"],
    ...["--service-account-private-key-file", join(folder, "accounts.key")],
  ]);
  cluster.start(join(programs, "kube-scheduler"), ["--kubeconfig", kubeconfig, "--leader-elect=false"]);
  await startKubelet(cluster, programs, cgroup);
  await startProxy(cluster, programs);
  await startDns(cluster, programs);
  await until("the node is ready", READY_MS, async () => {
    const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    const { code, stdout } = await cluster.tryKubectl("get", "node", "node", "--output", ready);
    return code === 0 && stdout === "True";
  });
}

async function startContainerd(cluster: ControlPlane, images: readonly string[]): Promise<void> {
  const { folder } = cluster;
  const networks = join(folder, "networks");
  await mkdir(networks, { recursive: true });
  const bridge = {
    type: "bridge",
    bridge: "pods0",
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: PODS }]],
      routes: [{ dst: "0.0.0.0/0" }],
      dataDir: join(folder, "addresses"),
    },
  };
  await writeFile(
    join(networks, "pods.conflist"),
    JSON.stringify({ cniVersion: "0.4.0", name: "pods", plugins: [bridge] }),
  );
  const config = `version = 2
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true # some machines deny lower scores, even to root
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
  await writeFile(join(folder, "containerd.toml"), config);
  cluster.start("containerd", ["--config", join(folder, "containerd.toml")]);
  const ctr = (...args: string[]): string => command("ctr", "--address", SOCKET, "--namespace", "k8s.io", ...args);
  await until("containerd responds", READY_MS, () => {
    try {
      return ctr("version") !== "";
    } catch {
      return false;
    }
  });
  for (const image of images) ctr("images", "import", image);
}

async function startKubelet(cluster: ControlPlane, programs: string, cgroup: string): Promise<void> {
  const { folder } = cluster;
  for (const path of hierarchies()) mkdirSync(join(path, cgroup), { recursive: true });
  const config = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroup}`,
    clusterDNS: [NODE_ADDRESS],
    clusterDomain: "cluster.local",
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    evictionHard: { "memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi" },
    failSwapOn: false,
    imageGCHighThresholdPercent: 100,
    podLogsDir: join(folder, "pod-logs"),
    syncFrequency: "10s", // the time until a changed Secret is written to its volume, by default a minute
    volumePluginDir: join(folder, "volume-plugins"),
  };
  await writeFile(join(folder, "kubelet.json"), JSON.stringify(config));
  cluster.start(join(programs, "kubelet"), [
    ...[
      "--config",
      join(folder, "kubelet.json"),
      "--kubeconfig",
      cluster.kubeconfig,
      "--root-dir",
      join(folder, "kubelet"),
    ],
    ...["--cert-dir", join(folder, "kubelet-certificates"), "--hostname-override", "node", "--node-ip", NODE_ADDRESS],
  ]);
}

async function startProxy(cluster: ControlPlane, programs: string): Promise<void> {
  const config = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig: cluster.kubeconfig },
    clusterCIDR: PODS,
    conntrack: { maxPerCore: 0 }, // it would be a setting of the whole machine
    hostnameOverride: "node",
    mode: "iptables",
  };
  await writeFile(join(cluster.folder, "kube-proxy.json"), JSON.stringify(config));
  cluster.start(join(programs, "kube-proxy"), ["--config", join(cluster.folder, "kube-proxy.json")]);
}

/** Starts CoreDNS with the settings of kubeadm, and makes it the resolver of this mount namespace. */
async function startDns(cluster: ControlPlane, programs: string): Promise<void> {
  const corefile = `.:53 {
  bind ${NODE_ADDRESS}
  errors
  kubernetes cluster.local {
    kubeconfig ${cluster.kubeconfig} test
    ttl 30
  }
}
`;
  await writeFile(join(cluster.folder, "Corefile"), corefile);
  cluster.start(join(programs, "coredns"), ["-conf", join(cluster.folder, "Corefile")]);
  const resolver = join(cluster.folder, "resolv.conf");
  await writeFile(resolver, `nameserver ${NODE_ADDRESS}\nsearch connect-server.svc.cluster.local\n`);
  command("mount", "--bind", resolver, "/etc/resolv.conf");
}

/** Returns the folders of the cgroup hierarchies: one on cgroup v2; one for each controller on v1, and perhaps one on v2 without controllers. */
function hierarchies(): string[] {
  const root = "/sys/fs/cgroup";
  if (readdirSync(root).includes("cgroup.controllers")) return [root];
  return globSync(`${root}/*/cgroup.procs`).map((path) => path.replace(/\/cgroup\.procs$/, ""));
}

/** Removes the cgroup and all below it, whose processes have ended. The kernel may need a moment for that. */
export async function removeCgroup(cgroup: string): Promise<void> {
  const root = hierarchies().map((path) => join(path, cgroup));
  await until(`the cgroup ${cgroup} is removed`, REMOVE_MS, () => {
    for (const path of root.filter((each) => existsSync(each))) {
      const below = globSync("**/", { cwd: path }).filter((folder) => folder !== ".");
      try {
        for (const folder of [...below.sort((a, b) => b.length - a.length), ""]) rmdirSync(join(path, folder));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
      }
    }
    return !root.some((path) => existsSync(path));
  });
}
