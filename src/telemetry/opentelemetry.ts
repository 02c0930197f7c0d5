/**
 * Loads the packages of OpenTelemetry, when traces are on, and names their types. The types are derived from the dynamic
 * imports. Static imports of types would give the CommonJS form of the npm package the types of other files.
 */
import { importOptional } from "./telemetry-error.ts";

/** The flag that asks for the packages. */
export const FLAG = "--trace-ratio";

/** All packages, so that an application does not have to install them one by one. */
const PACKAGES = ["api", "context-async-hooks", "core", "exporter-trace-otlp-proto", "resources", "sdk-trace"];

export const loadApi = () => load("api", () => import("@opentelemetry/api"));
export const loadCore = () => load("core", () => import("@opentelemetry/core"));
export const loadSdk = () => load("sdk-trace", () => import("@opentelemetry/sdk-trace"));
export const loadResources = () => load("resources", () => import("@opentelemetry/resources"));
export const loadContext = () => load("context-async-hooks", () => import("@opentelemetry/context-async-hooks"));
export const loadExporter = () =>
  load("exporter-trace-otlp-proto", () => import("@opentelemetry/exporter-trace-otlp-proto"));

export type Api = Awaited<ReturnType<typeof loadApi>>;
export type Core = Awaited<ReturnType<typeof loadCore>>;
type Sdk = Awaited<ReturnType<typeof loadSdk>>;

export type Tracer = ReturnType<Api["trace"]["getTracer"]>;
export type GlobalProvider = ReturnType<Api["trace"]["getTracerProvider"]>;
export type Span = ReturnType<Tracer["startSpan"]>;
export type Link = NonNullable<NonNullable<Parameters<Tracer["startSpan"]>[1]>["links"]>[number];
export type Context = Api["ROOT_CONTEXT"];

export type TracerProvider = InstanceType<Sdk["TracerProvider"]>;
type ProviderOptions = NonNullable<ConstructorParameters<Sdk["TracerProvider"]>[0]>;
export type Sampler = NonNullable<ProviderOptions["sampler"]>;
export type SpanLimits = NonNullable<ProviderOptions["spanLimits"]>;
export type BatchOptions = ConstructorParameters<Sdk["BatchSpanProcessor"]>[0];
export type SpanExporter = BatchOptions["exporter"];
export type ReadableSpan = Parameters<SpanExporter["export"]>[0][number];
export type ExportResult = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

function load<T>(name: string, loadPackage: () => Promise<T>): Promise<T> {
  return importOptional(FLAG, nameOf(name), loadPackage, PACKAGES.map(nameOf).join(" "));
}

function nameOf(name: string): string {
  return `@opentelemetry/${name}`;
}
