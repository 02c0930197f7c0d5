/** The page of a service whose input has fields of every kind, and steps that tests of its form share. */
import type { TestContext } from "node:test";
import { createRegistry, type DescMessage, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import type { Browser, Page as BrowserPage, Locator } from "playwright-core";
import type { Page } from "../../src/server/site/page.ts";
import type { OpenPage } from "./browser.ts";
import { compileOwn, openOwn } from "./own-contract.ts";

const ORDER = `
syntax = "proto3";
package shop.v1;

import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

service OrderService {
  rpc Order(OrderRequest) returns (OrderResponse);
}
enum Size {
  SIZE_UNSPECIFIED = 0;
  SIZE_SMALL = 1;
  SIZE_LARGE = 2;
}
message Address {
  string street = 1;
  string city = 2;
  optional int32 floor = 3;
  string comment = 4;
}
message Dish {
  string dish = 1;
  int32 quantity = 2;
  Size size = 3;
  repeated string wishes = 4;
  repeated Dish sides = 5;
}
message Card {
  string number = 1;
}
message OrderRequest {
  string customer = 1;
  Address address = 2;
  repeated Dish dishes = 3;
  map<string, int32> vouchers = 4;
  map<int64, Address> branches = 5;
  google.protobuf.Timestamp deliver_at = 6;
  google.protobuf.Duration patience = 7;
  oneof payment {
    Card card = 8;
    bool cash = 9;
    int32 points = 10;
  }
  optional bool gift = 11;
  optional string note = 12;
  int64 total = 13;
  double tip = 14;
  google.protobuf.Struct extra = 15;
  google.protobuf.Value anything = 16;
  google.protobuf.StringValue nick = 17;
  bytes receipt = 18;
  Size size = 19;
}
message OrderResponse {
  string said = 1;
}
`;

export interface OpenOrder extends OpenPage {
  /** The inputs that the server has received, in JSON. */
  readonly received: JsonValue[];
  readonly editor: Locator;
  readonly call: Locator;
}

/** Opens the page of a service that records its inputs. The message is empty. */
export async function openOrder(t: TestContext, browser: Browser, files: Page, options = {}): Promise<OpenOrder> {
  const own = compileOwn(t, ORDER, "shop.v1.OrderService", files);
  const received: JsonValue[] = [];
  const input = own.service.method.order?.input as DescMessage;
  const registry = createRegistry(own.service.file);
  const opened = await openOwn(
    t,
    browser,
    own,
    {
      order(request: Message) {
        received.push(toJson(input, request, { registry }));
        return { said: String(received.length) };
      },
    },
    options,
  );
  const { page } = opened;
  const editor = page.locator(".editor textarea");
  await editor.fill("{}");
  return { ...opened, received, editor, call: page.locator("form .primary") };
}

/** Waits for the response with this number. */
export async function nextResponse(page: BrowserPage, number: number): Promise<void> {
  await page.locator(".result .response", { hasText: `said = ${number}` }).waitFor();
}

/** Returns the control with this name. */
export const field = (page: BrowserPage, label: string) =>
  page.getByLabel(label, { exact: true }).and(page.locator(CONTROL));
/** Presses the button with this name. */
export const press = (page: BrowserPage, name: string) => page.getByRole("button", { name, exact: true }).click();
const CONTROL = ":is(input, select, textarea)";

/** Returns the name of the element that has the focus. */
export function focused(page: BrowserPage): Promise<unknown> {
  return page.evaluate(
    "document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent ?? document.activeElement.tagName",
  );
}

/** Returns the value in the editor. */
export async function jsonOf(editor: Locator): Promise<JsonValue> {
  return JSON.parse(await editor.inputValue());
}
