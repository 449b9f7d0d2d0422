// `npm test` runs the functions as they are, by Node.js. The cases in *.yaml run the component in the sandbox.

import assert from "node:assert/strict";
import { test } from "node:test";

import { slug, table } from "../src/plugin.js";

test("slugs are of letters and digits, whole words, and no longer than asked", () => {
  assert.equal(slug({ text: "Été à Zürich — Straße 7!" }), "ete-a-zurich-strasse-7");
  assert.equal(slug({ text: "one two three", length: 8 }), "one-two");
  assert.equal(slug({ text: "extraordinary", length: 5 }), "extra");
  assert.equal(slug({ text: "東京 2026" }), "東京-2026");
  assert.throws(() => slug({ text: "—!" }), { code: "no_letters" });
});

test("tables are set by what is in them", () => {
  const rows = [{ name: "a|b", size: 10 }, { name: "c\nd", size: null }];
  const expected = ["| name   | size |", "| ------ | ---: |", "| a\\|b   |   10 |", "| c<br>d |      |", ""];
  assert.equal(table({ rows }).text, expected.join("\n"));
  assert.throws(() => table({ rows, columns: ["none"] }), { code: "unknown_column" });
  assert.throws(() => table({ rows: [] }), { code: "invalid_input" });
});
