// How an action fails.

const FRAMES_MAX = 20;

// What is between the contract and an author's function stands in no stack; `node:` and `native` are of no file.
const OURS = /(^|\/)(autokestra-sdk|node_modules\/autokestra-sdk)\/|(^|\/)(autokestra-entry|initializer)\.js$|^(node:|native|<)/;

/**
 * A code for machines, a message for people, and whether another attempt may succeed.
 *
 * `code` is lower case with underscores, e.g. `not_found`. `retryAfter` is the least wait before another attempt, in seconds;
 * `details` is more for machines, as JSON.
 */
export class TaskError extends Error {
  constructor(code, message, { retryable = false, retryAfter, details, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TaskError";
    this.code = String(code);
    this.retryable = retryable;
    this.retryAfter = retryAfter;
    this.details = details;
  }
}

/** What was thrown, for the workflow. */
export function fromThrown(thrown) {
  if (thrown instanceof TaskError) {
    return thrown;
  }
  const { name, message } = named(thrown);
  const stack = ownLines(thrown);
  const text = message ? `${name}: ${message}` : name;
  return new TaskError("exception", stack.length ? `${text} (${stack[0]})` : text, {
    details: { exception: name, stack },
    cause: thrown,
  });
}

/** The name and the message of what was thrown, which need not be an error. */
export function named(thrown) {
  if (thrown instanceof Error) {
    return { name: thrown.name, message: thrown.message };
  }
  let message;
  try {
    message = typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
  } catch {
    message = String(thrown);
  }
  return { name: "thrown", message };
}

/** Where an error came from, without what is not the author's: `src/plugin.js:12 in greet`, the innermost first. */
export function ownLines(thrown) {
  const lines = typeof thrown?.stack === "string" ? thrown.stack.split("\n") : [];
  return lines
    .map(frame)
    .filter((found) => found && !OURS.test(found.file))
    .slice(0, FRAMES_MAX)
    .map(({ file, line, name }) => (name ? `${file}:${line} in ${name}` : `${file}:${line}`));
}

// `name@file:1:2` of SpiderMonkey; `    at name (file:1:2)` or `    at file:1:2` of QuickJS and V8.
function frame(text) {
  const found =
    /^\s*at (?:async )?(?:(.*?) \()?(.*?):(\d+)(?::\d+)?\)?\s*$/.exec(text) ?? /^(.*?)@(.*?):(\d+)(?::\d+)?\s*$/.exec(text);
  if (!found) {
    return undefined;
  }
  const name = found[1] && found[1] !== "<anonymous>" ? found[1] : undefined;
  return { name, file: found[2].replace(/^file:\/\//, "").replace(/^\/(?=(src|deps)\/)/, ""), line: found[3] };
}
