// The engine in tests: what was logged, and what was kept.
//
//   const host = fakeHost({ state: { cursor: 7 } });
//   greet({ name: "Ada" });
//   assert.deepEqual(host.logs, [["info", "greeting", { name: "Ada" }]]);
//   host.restore();

import { use } from "./host.js";

/** An engine that remembers what it was told, until it is restored. `state` are values that are kept already. */
export function fakeHost({ state = {} } = {}) {
  const values = new Map(Object.entries(state).map(([key, value]) => [key, JSON.stringify(value)]));
  const logs = [];
  const progress = [];
  const before = use({
    emit: (level, message, fields) => void logs.push([level, message, Object.fromEntries(fields)]),
    report: (done, total, note) => void progress.push([done, total, note]),
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, value),
    delete: (key) => void values.delete(key),
  });
  return {
    /** What was logged: level, message, fields. */
    logs,
    /** How far the action said that it was: done, total, note. */
    progress,
    /** The values that are kept. */
    get state() {
      return Object.fromEntries([...values].map(([key, value]) => [key, JSON.parse(value)]));
    },
    /** Gives the engine before back. */
    restore: () => void use(before),
  };
}
