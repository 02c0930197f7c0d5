/** A handler that runs a script in its request, so that random calls cover all that a handler may do. */
import { setImmediate as turn } from "node:timers/promises";
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Routes } from "../../src/server/rpc/options.ts";
import { echoRoutes } from "./protos.ts";
import type { Random } from "./random.ts";

export interface Script {
  /** True if the handler responds with a promise, after a turn of the event loop. */
  readonly async?: boolean;
  /** Names and values to append to the response's header and trailer. */
  readonly header?: readonly (readonly [string, string])[];
  readonly trailer?: readonly (readonly [string, string])[];
  /** The error to throw, with its number of details and its metadata. */
  readonly error?: {
    readonly code: Code;
    readonly message: string;
    readonly details: number;
    readonly metadata: string;
  };
  /** Characters to add to the response. */
  readonly length?: number;
  /** True if the response begins with a report on the handler's context. */
  readonly report?: boolean;
}

/** Returns a random script. */
export function randomScript(random: Random): Script {
  const fields = () =>
    Array.from(
      { length: random.below(4) },
      () => [`x-${random.pick(["one", "two", "three"])}`, random.word(5)] as const,
    );
  return {
    async: random.chance(2),
    header: fields(),
    trailer: fields(),
    length: random.pick([0, 1, 10, 200, 255, 300, 1023, 1024, 5000, 20_000, 70_000]),
    report: random.chance(3),
    ...(random.chance(3) && {
      error: {
        code: random.pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        message: random.pick(["", "plain", "with: 100% of, everything\n/ é 漢", random.text(30)]),
        details: random.pick([0, 1, 2, 40]),
        metadata: random.word(3),
      },
    }),
  };
}

/** Runs the script, which the request contains as JSON. */
export function runScript(request: StringValue, context: HandlerContext): StringValue | Promise<StringValue> {
  const script: Script = JSON.parse(request.value);
  return script.async ? turn().then(() => play(script, context)) : play(script, context);
}

/** Routes of the Echo service, with a Say that runs scripts. */
export const scriptedRoutes: Routes = echoRoutes({ say: runScript });

function play(script: Script, context: HandlerContext): StringValue {
  setFields(script, context);
  throwError(script);
  const { length = 0, report } = script;
  return { $typeName: "google.protobuf.StringValue", value: (report ? seen(context) : "") + "x".repeat(length) };
}

/** Appends the header and the trailer of a script to the response. */
export function setFields({ header = [], trailer = [] }: Script, context: HandlerContext): void {
  for (const [name, value] of header) context.responseHeader.append(name, value);
  for (const [name, value] of trailer) context.responseTrailer.append(name, value);
}

/** Throws the error of a script, if it has one. */
export function throwError({ error }: Script): void {
  if (error === undefined) return;
  const { code, message, details, metadata } = error;
  const detail = { desc: StringValueSchema, value: { value: "a detail of the error" } };
  throw new ConnectError(message, code, { "x-metadata": metadata }, Array(details).fill(detail));
}

/** Reports all of the context that may differ between servers, without the host. */
export function seen(context: HandlerContext): string {
  const { method, service, protocolName, requestMethod, url, requestHeader, signal, timeoutMs } = context;
  const timeout = timeoutMs();
  return JSON.stringify({
    method: `${service.typeName}/${method.name}`,
    protocolName,
    requestMethod,
    path: new URL(url).pathname,
    header: [...requestHeader].filter(([name]) => name !== "host"),
    contentType: context.responseHeader.get("content-type"),
    status: context.responseTrailer.get("grpc-status"),
    aborted: signal.aborted,
    timeout: timeout === undefined ? undefined : Math.ceil(timeout / 1000),
  });
}
