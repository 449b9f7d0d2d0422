// The engine as the sdk sees it: the real one inside a component, a fake one in tests.

/** No engine: logs go to stderr, values live as long as the process. */
function missing() {
  const values = new Map();
  return {
    emit: (level, message, fields) =>
      console.error(`${level.toUpperCase()}: ${message}${fields.map(([key, value]) => ` ${key}=${value}`).join("")}`),
    report: () => {},
    get: (key) => values.get(key),
    set: (key, value) => void values.set(key, value),
    delete: (key) => void values.delete(key),
  };
}

let current = missing();

/** The engine. */
export const host = () => current;

/** Takes another engine, and gives back the one before. */
export function use(other) {
  const before = current;
  current = other;
  return before;
}
