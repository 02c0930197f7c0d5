/** Tests that without reflection, tools do not get the schema, and commands to paste do not rely on it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { run } from "../support/command.ts";
import { findJudge } from "../support/judge.ts";
import { NO_COMMANDS, startMain } from "../support/process.ts";
import { startServer } from "../support/server.ts";

for (const reflection of [false, true]) {
  test(`reflection is ${reflection ? "served" : "unimplemented, and has no health"} with reflection ${reflection}`, async (t) => {
    const { server, url } = await startServer(t, { reflection });
    const transport = createGrpcTransport({ baseUrl: url });
    for (const service of [ServerReflection, ServerReflectionAlpha as unknown as typeof ServerReflection]) {
      const answers = Array.fromAsync(createClient(service, transport).serverReflectionInfo(none()));
      if (reflection) await answers;
      else await assert.rejects(answers, { code: Code.Unimplemented });
      assert.equal(server.health.get(service.typeName), reflection ? "serving" : "unknown");
    }
    const names = server.services.map(({ typeName }) => typeName);
    assert.equal(names.length, reflection ? 4 : 2);
  });
}

for (const flags of [["--reflection", "off"], ["--no-reflection"]]) {
  test(
    `the lines at the start and at / work with the schema's folder for DIR, with ${flags.join(" ")}`,
    NO_COMMANDS,
    async (t) => {
      const { authority, stdout } = await startMain(t, ...flags);
      const home = await (await fetch(`http://${authority}/`)).text();
      assert.doesNotMatch(home, /grpc\.reflection/);
      for (const text of [stdout(), home]) {
        const lines = text.split("\n").map((line) => line.trim());
        const found = ["grpcurl", "npx buf curl", "curl"].map((start) =>
          lines.find((line) => line.startsWith(`${start} `)),
        );
        const [grpcurl, buf, curl] = found as [string, string, string];
        assert.match(grpcurl, / -import-path DIR -proto calls\/v1\/calls\.proto /);
        assert.match(buf, / --schema DIR /);
        assert.doesNotMatch(curl, /DIR/);
        for (const line of found as string[]) {
          if (findJudge(t, line.split(" ")[0] as string) === undefined) return;
          const { code, stdout, stderr } = await run("sh", ["-c", line.replace("DIR", "test/proto")]);
          assert.match(stdout + stderr, /"sum": ?3/);
          assert.equal(code, 0);
        }
        const without = grpcurl.replace(/-import-path DIR -proto calls\/v1\/calls\.proto /, "");
        assert.match((await run("sh", ["-c", without])).stderr, /does not support the reflection API/);
      }
    },
  );
}

async function* none(): AsyncGenerator<never> {}
