// The sdk by itself, under Node.js: schemas, checks, errors, and the guest's side with an engine that is made up.

import assert from "node:assert/strict";
import { test } from "node:test";

import { check, Misfit } from "../src/check.js";
import { fromThrown, ownLines } from "../src/errors.js";
import { component } from "../src/guest.js";
import { action, log, plugin, progress, s, state, TaskError } from "../src/index.js";
import { fakeHost } from "../src/testing.js";

const row = s.object({ name: s.string().describe("A name."), size: s.integer().min(0).default(1) });

/** What does not fit: the pointer, and what is said of it. */
function misfit(schema, value) {
  try {
    check(JSON.parse(JSON.stringify(schema)), value);
  } catch (error) {
    assert.ok(error instanceof Misfit, String(error));
    return [error.pointer, error.message];
  }
  return undefined;
}

test("the builder writes JSON Schema", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(row)), {
    type: "object",
    properties: {
      name: { type: "string", description: "A name." },
      size: { type: "integer", minimum: 0, default: 1 },
    },
    required: ["name"],
    additionalProperties: false,
  });
  const cases = [
    [s.string().min(1).max(3).pattern(/^a/), { type: "string", minLength: 1, maxLength: 3, pattern: "^a" }],
    [s.array(s.number()).max(2), { type: "array", items: { type: "number" }, maxItems: 2 }],
    [s.string().nullable(), { type: ["string", "null"] }],
    [s.enum(["a", "b"]).nullable(), { type: ["string", "null"], enum: ["a", "b", null] }],
    [s.enum(["a", 1]), { enum: ["a", 1] }],
    [s.record(s.boolean()), { type: "object", additionalProperties: { type: "boolean" } }],
    [s.tuple([s.string(), { type: "null" }]), { type: "array", prefixItems: [{ type: "string" }, { type: "null" }], minItems: 2, maxItems: 2 }],
    [s.union(s.string(), s.null()), { anyOf: [{ type: "string" }, { type: "null" }] }],
    [s.object({}).open(), { type: "object", properties: {}, additionalProperties: true }],
    [s.any(), {}],
  ];
  for (const [schema, json] of cases) {
    assert.deepEqual(schema.toJSON(), json);
  }
  assert.throws(() => s.boolean().min(1), /for strings, numbers and lists/);
});

test("what does not fit is told by its pointer", () => {
  const rows = s.object({ rows: s.array(row) });
  const cases = [
    [rows, 3, "", "expected an object, found the number 3"],
    [rows, {}, "", "missing field `rows`"],
    [rows, { rows: [{ name: "a" }, { name: 3 }] }, "/rows/1/name", "expected a string, found the number 3"],
    [rows, { rows: [{ name: "a", size: 1.5 }] }, "/rows/0/size", "expected a whole number, found the number 1.5"],
    [rows, { rows: [{ name: "a", size: -1 }] }, "/rows/0/size", "-1 is too small: 0 is the least"],
    [rows, { rows: [], "a/b~c": 1 }, "/a~1b~0c", "unknown field, expected one of `rows`"],
    [s.object({}), { x: 1 }, "/x", "unknown field, expected one of none"],
    [s.enum(["a", "b"]), "c", "", "expected one of `a`, `b`, found `c`"],
    [s.string().min(2), "𝄞", "", "it has 1 characters; 2 is the least"],
    [s.string().pattern("^x"), "y", "", "it does not match `^x`"],
    [s.union(s.string(), rows), { rows: [1] }, "/rows/0", "expected an object, found the number 1"],
    [{ type: "array", uniqueItems: true }, [{ a: 1 }, { a: 1 }], "", "the same stands in it twice"],
    [{ $ref: "#/$defs/n", $defs: { n: { type: "null" } } }, 1, "", "expected null, found the number 1"],
    [{ $ref: "#" }, 1, "", "it is too deep, or its schema is of itself"],
    [{ oneOf: [{ type: "number" }, { minimum: 0 }] }, 1, "", "it could be several things"],
    [{ not: { type: "number" } }, 1, "", "it may be anything but this"],
    [{ properties: { a: false } }, { a: 1 }, "/a", "nothing may stand here"],
    [{ multipleOf: 0.1 }, 0.25, "", "0.25 is no multiple of 0.1"],
  ];
  for (const [schema, value, pointer, reason] of cases) {
    assert.deepEqual(misfit(schema, value), [pointer, reason], JSON.stringify(schema));
  }
  for (const [schema, value] of [
    [{ type: "integer" }, 3.0],
    [{ multipleOf: 0.1 }, 0.3],
    [{ const: { a: [1] } }, { a: [1] }],
    [true, "anything"],
    [row, JSON.parse('{"name": "x"}')],
  ]) {
    assert.equal(misfit(schema, value), undefined, JSON.stringify(schema));
  }
});

test("defaults are filled in, and no name is special", () => {
  assert.deepEqual(check(row.json, { name: "a" }), { name: "a", size: 1 });
  const schema = s.record(s.object({ n: s.integer().default(7) })).json;
  const value = check(schema, JSON.parse('{"__proto__": {}, "constructor": {}}'));
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.deepEqual(Object.keys(value), ["__proto__", "constructor"]);
  assert.equal(Object.getOwnPropertyDescriptor(value, "__proto__").value.n, 7);
  assert.equal({}.n, undefined);
});

const greet = action(
  { description: "Greets.", input: row, output: s.object({ text: s.string() }), idempotent: true },
  ({ name, size }, ctx) => {
    log.info("greeting", { name, more: { a: 1 } });
    progress.report(1, 2, "half");
    state.set("count", state.get("count", 0) + size);
    if (name === "bad") {
      throw new TaskError("bad_name", "no such name", { retryable: true, retryAfter: 1.5, details: { name } });
    }
    if (name === "broken") {
      return undefined.x;
    }
    return name === "odd" ? { text: 3 } : { text: `Hello, ${name}! (${ctx.attempt})` };
  },
);
const later = action({ title: "Some time" }, async (_, ctx) => {
  await null;
  throw new RangeError(`too late for ${ctx.taskId}`);
});
const made = plugin({ name: "acme/hello", description: "Greets.", actions: { greet, laterOn: later } });

test("an action is a function that checks what it takes and gives", () => {
  const host = fakeHost({ state: { count: 4 } });
  assert.deepEqual(greet({ name: "Ada" }), { text: "Hello, Ada! (1)" });
  assert.deepEqual(host.logs, [["info", "greeting", { name: "Ada", more: '{"a":1}' }]]);
  assert.deepEqual(host.progress, [[1, 2, "half"]]);
  assert.deepEqual(host.state, { count: 5 });
  state.delete("count");
  assert.deepEqual(host.state, {});
  assert.throws(() => greet({}), { code: "invalid_input", message: "the input does not fit: missing field `name`", details: { pointer: "" } });
  assert.throws(() => greet({ name: "a", size: "b" }), { code: "invalid_input", details: { pointer: "/size" } });
  assert.throws(() => greet({ name: "odd" }), { code: "invalid_output", details: { pointer: "/text" } });
  assert.throws(() => greet({ name: "bad" }), { code: "bad_name", retryable: true, retryAfter: 1.5 });
  host.restore();
});

test("what is no JSON is no output", () => {
  for (const output of [NaN, { a: [Infinity] }, 10n]) {
    assert.throws(action({}, () => output), { code: "invalid_output" });
  }
  const circle = {};
  circle.self = circle;
  assert.throws(action({}, () => circle), { code: "invalid_output" });
  assert.equal(action({}, () => undefined)(), null);
});

test("what was not foreseen is told by the author's own lines", async () => {
  fakeHost();
  assert.throws(
    () => greet({ name: "broken" }),
    (error) => error.code === "exception" && /^TypeError: .* \(.*sdk\.test\.js:\d+/.test(error.message) && error.details.exception === "TypeError",
  );
  await assert.rejects(later(), (error) => error.code === "exception" && error.details.exception === "RangeError");
  assert.equal(fromThrown("words").message, "thrown: words");
  assert.equal(fromThrown({ a: 1 }).message, 'thrown: {"a":1}');
  assert.equal(fromThrown(undefined).message, "thrown: undefined");
  const stack = [
    "inner@src/plugin.js:7:26",
    "greet<@src/plugin.js:10:9",
    "component/run@autokestra-sdk/src/guest.js:3:1",
    "export_run@/tmp/x/sources/initializer.js:477:28",
    "    at deep (/deps/1.js:7:30)",
    "    at async file:///work/plugin.js:2:3",
    "    at node:internal/process:1:1",
  ];
  assert.deepEqual(ownLines({ stack: stack.join("\n") }), [
    "src/plugin.js:7 in inner",
    "src/plugin.js:10 in greet<",
    "deps/1.js:7 in deep",
    "/work/plugin.js:2",
  ]);
});

test("misuse is told when the plugin is made", () => {
  assert.throws(() => action({ inputs: row }, () => 1), /has no `inputs`/);
  assert.throws(() => action({}), /the function that it runs/);
  assert.throws(() => plugin({ name: "Hello", actions: { greet } }), /no name of a plugin/);
  assert.throws(() => plugin({ name: "a/b", actions: {} }), /has no action/);
  assert.throws(() => plugin({ name: "a/b", actions: { x: () => 1 } }), /`x` is no action/);
});

/** The engine as a component has it. */
function engine(waits) {
  const told = [];
  const values = new Map();
  const imports = {
    log: { emit: (...entry) => told.push(entry) },
    progress: { report: (...report) => told.push(report) },
    state: {
      get: (key) => values.get(key),
      set: (key, value) => {
        if (value.length > 5) {
          throw Object.assign(new Error("x"), { payload: "the value is too large" });
        }
        values.set(key, value);
      },
      delete: (key) => values.delete(key),
    },
  };
  return { told, ...component(made, { ...imports, version: "1.2.3", waits }) };
}

const context = { executionId: "exec-1", workflowId: "w", taskId: "t", attempt: 2, deadlineMs: 5000n, idempotencyKey: "k" };

test("the guest speaks the contract", async () => {
  const { describe, run, told } = engine(true);
  const manifest = describe();
  assert.deepEqual([manifest.name, manifest.version, manifest.description], ["acme/hello", "1.2.3", "Greets."]);
  assert.deepEqual(manifest.actions.map(({ name, title, idempotent }) => [name, title, idempotent]), [
    ["greet", "Greet", true],
    ["laterOn", "Some time", false],
  ]);
  assert.equal(JSON.parse(manifest.actions[0].inputSchema).type, "object");
  assert.equal(run("greet", context, '{"name": "Ada"}'), '{"text":"Hello, Ada! (2)"}');
  assert.deepEqual(told, [
    ["info", "greeting", [["name", "Ada"], ["more", '{"a":1}']]],
    [1n, 2n, "half"],
  ]);
  const thrown = (...call) => {
    try {
      return run(...call);
    } catch (error) {
      return error;
    }
  };
  assert.deepEqual(thrown("greet", context, '{"name": "bad"}'), {
    code: "bad_name",
    message: "no such name",
    retryable: true,
    retryAfterMs: 1500n,
    details: '{"name":"bad"}',
  });
  assert.equal(thrown("nothing", context, "{}").code, "unknown_action");
  assert.deepEqual(thrown("greet", context, '{"name": "a", "size": 1000000}').code, "state");
  const before = told.length;
  await assert.rejects(run("laterOn", context, "{}"), { code: "exception", retryable: false, retryAfterMs: undefined });
  assert.deepEqual(told[before], ["error", "RangeError: too late for t", []]);
  assert.match(told[before + 1][1], /^ {2}at .*sdk\.test\.js:\d+/);
});

test("an engine without promises says so", () => {
  const { run } = engine(false);
  try {
    run("laterOn", context, "{}").catch(() => {});
    assert.fail("it ran");
  } catch (error) {
    assert.equal(error.code, "async_action");
  }
  assert.throws(() => component({}, {}), /export default plugin/);
});
