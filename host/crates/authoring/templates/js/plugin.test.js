// `npm test` runs the functions as they are, by Node.js. The cases in *.yaml run the component in the sandbox.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeHost } from "autokestra-sdk/testing";

import { greet } from "../src/plugin.js";

test("it greets by name", () => {
  const host = fakeHost();
  assert.deepEqual(greet({ name: "Ada" }), { text: "Hello, Ada!" });
  assert.deepEqual(host.logs, [["info", "greeting", { name: "Ada" }]]);
  host.restore();
});

test("it wants a name", () => {
  assert.throws(() => greet({ name: " " }), { code: "no_name" });
});
