/**
 * Calls fixture.Echo/Say with grpc-js until stdin ends. Prints a line for each call: the response, or "error: " and the reason.
 * The arguments are a target, a load balancing policy, and the least time between two DNS queries in ms. grpc-js asks the DNS
 * server of a target only with GRPC_NODE_USE_ALTERNATIVE_RESOLVER=true.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";

const CALLERS = 4;
const PAUSE_MS = 10;
const CALL_MS = 10_000;
const REQUEST = Buffer.from(toBinary(StringValueSchema, create(StringValueSchema)));
/** Retries calls that GOAWAY has refused. Without this policy, grpc-js fails a call whose message it could not write. */
const RETRY_POLICY = {
  maxAttempts: 3,
  initialBackoff: "0.01s",
  maxBackoff: "0.1s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE"],
};

const [target = "", policy = "", intervalMs = ""] = process.argv.slice(2);
const client = new Client(target, credentials.createInsecure(), {
  "grpc.service_config": JSON.stringify({
    loadBalancingConfig: [{ [policy]: {} }],
    methodConfig: [{ name: [{ service: "fixture.Echo" }], retryPolicy: RETRY_POLICY }],
  }),
  "grpc.dns_min_time_between_resolutions_ms": Number(intervalMs),
});
let isEnded = false;
process.stdin.resume().once("end", () => {
  isEnded = true;
});

/** Makes one call, and returns its line. */
function call(): Promise<string> {
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, response?: string) =>
      resolve(error === null ? (response ?? "") : `error: ${error.message.replaceAll("\n", " ")}`);
    client.makeUnaryRequest(
      "/fixture.Echo/Say",
      (bytes: Buffer) => bytes,
      (bytes) => fromBinary(StringValueSchema, bytes).value,
      REQUEST,
      { deadline: Date.now() + CALL_MS },
      done,
    );
  });
}

async function callOnAndOn(): Promise<void> {
  while (!isEnded) {
    console.log(await call());
    await sleep(PAUSE_MS);
  }
}

await Promise.all(Array.from({ length: CALLERS }, callOnAndOn));
client.close();
