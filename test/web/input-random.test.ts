/** Uses the form of unusual messages at random, and tests after each step that form, editor and labels agree. */
import assert from "node:assert/strict";
import { compileOwn, openOwn } from "../support/own-contract.ts";
import { chooseMethod, type PageTest, testInChromium } from "../support/page-tests.ts";

const ODD = `
edition = "2023";
package odd.v1;

import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

service OddService {
  rpc Ask(Odd) returns (Part);
  rpc Value(google.protobuf.Value) returns (Part);
  rpc Pack(google.protobuf.Any) returns (Part);
}
enum Closed {
  option features.enum_type = CLOSED;
  option allow_alias = true;
  CLOSED_ONE = 1;
  CLOSED_UNO = 1;
}
message Part {
  string name = 1 [features.field_presence = LEGACY_REQUIRED];
  Closed closed = 2 [features.field_presence = LEGACY_REQUIRED];
  google.protobuf.Timestamp at = 3;
  google.protobuf.NullValue none = 4;
  repeated google.protobuf.Value values = 5;
}
message Odd {
  Part part = 1 [features.message_encoding = DELIMITED];
  int32 constructor = 2;
  string to_string = 3;
  map<string, Odd> value_of = 4;
  repeated Odd has_own_property = 5;
  oneof kind {
    Closed a = 6;
    google.protobuf.Value b = 7;
    Odd c = 8;
    google.protobuf.StringValue d = 9;
    bytes e = 10;
  }
  map<bool, google.protobuf.Duration> times = 11;
  repeated google.protobuf.Any anys = 12;
  repeated bool bools = 13;
  map<int32, google.protobuf.Struct> structs = 14;
  string quoted = 15 [json_name = "odd name \\"x\\""];
  string proto = 16 [json_name = "__proto__"];
}
`;

/** Makes random steps in the page. Returns the problems that it found. */
const USE = String.raw`(async (steps) => {
  const TEXTS = ["", "1", "-", "1.50", "x", '{"a":1}', '{"a":', "null", "true", "한글", "\ud800", "a\nb", "1s",
    "2026-01-31T12:00:00Z", "__proto__", "AQI=", "[1,2]", '"q"'];
  let state = 1;
  const below = (limit) => ((state = (state * 48271) % 2147483647), state % limit);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const problems = [];
  for (let step = 0; step < steps && problems.length === 0; step++) {
    const controls = all(".form :is(input, select, textarea, button):enabled");
    const removing = all(".form .remove")[0];
    const chosen = controls.length > 60 && removing ? removing : controls[below(controls.length)];
    const { id, tagName, type } = chosen;
    let typed;
    if (tagName === "BUTTON" || type === "checkbox") chosen.click();
    else if (tagName === "SELECT") {
      chosen.selectedIndex = below(chosen.options.length);
      chosen.dispatchEvent(new Event("change", { bubbles: true }));
    } else {
      chosen.focus();
      chosen.value = TEXTS[below(TEXTS.length)];
      typed = chosen.value;
      chosen.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    if (typed !== undefined) {
      const now = document.getElementById(id);
      if (now?.value.trim() !== typed.trim()) problems.push(id + ": " + typed + " became " + now?.value);
      if (now !== document.activeElement) problems.push(id + " lost the focus at " + typed);
    }
    JSON.parse(all(".editor textarea")[0].value);
    if (all("form .primary")[0].disabled !== all(".problems li").length > 0) problems.push("problems are not listed");
    const ids = all("form [id]").map((element) => element.id);
    if (new Set(ids).size !== ids.length) problems.push("an identifier is not unique: " + ids);
    const referred = [
      ...all("form [aria-describedby]").flatMap((element) => element.getAttribute("aria-describedby").split(" ")),
      ...all("form label[for]").map((label) => label.htmlFor),
    ];
    problems.push(...referred.filter((id) => !document.getElementById(id)).map((id) => "missing: " + id));
  }
  return problems;
})`;

testInChromium("the form is used at random", [
  ...(["Ask", "Value", "Pack"] as const).map(
    (method): PageTest => [
      `what is typed survives, and nothing breaks, in the input of ${method}`,
      async (t, browser, files) => {
        const own = compileOwn(t, ODD, "odd.v1.OddService", files);
        const { page } = await openOwn(t, browser, own, {});
        await chooseMethod(page, `odd.v1.OddService/${method}`);
        await page.locator(".form").waitFor();
        assert.deepEqual(await page.evaluate(`${USE}(${method === "Ask" ? 150 : 30})`), []);
      },
    ],
  ),
]);
