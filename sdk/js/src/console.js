// `console`, where the engine of JavaScript has none. A build imports it before the author's modules.

let log;

/** From now on there is somebody to tell: nobody is, while the component is made. */
export const start = (to) => {
  log = to;
};

function text(value) {
  if (typeof value === "string") {
    return value;
  }
  if (value instanceof Error) {
    return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  }
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

const print =
  (level) =>
  (...values) =>
    log?.emit(level, values.map(text).join(" "), []);

globalThis.console ??= {
  debug: print("debug"),
  log: print("info"),
  info: print("info"),
  warn: print("warn"),
  error: print("warn"),
  trace: print("warn"),
};
