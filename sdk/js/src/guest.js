// The guest's side of the contract. The entry that a build writes hands over the imports, which only a component has.

import { after, isPromise } from "./action.js";
import { start } from "./console.js";
import { contextOf } from "./context.js";
import { fromThrown, named, ownLines, TaskError } from "./errors.js";
import { use } from "./host.js";

/** The two functions of the contract. `waits` says whether the engine of JavaScript waits for promises. */
export function component(plugin, { log, progress, state, version, waits }) {
  if (typeof plugin?.manifest !== "function") {
    throw new TypeError("the module has to export what `plugin({ … })` gives: `export default plugin({ … })`");
  }
  // Made while the component is: describing costs nothing then.
  const manifest = plugin.manifest(version);
  const big = (value) => (value === undefined || value === null ? undefined : waits ? BigInt(value) : Number(value));
  use({
    emit: log.emit,
    report: (done, total, note) => progress.report(big(done), big(total), note),
    get: (key) => told(() => state.get(key)),
    set: (key, value) => told(() => state.set(key, value)),
    delete: (key) => told(() => state.delete(key)),
  });
  const failed = (thrown) => {
    const error = fromThrown(thrown);
    tell(log, error.cause);
    const wait = error.retryAfter === undefined ? undefined : Math.max(0, Math.round(error.retryAfter * 1000));
    // Thrown, this is the error of the contract.
    return {
      code: error.code,
      message: error.message,
      retryable: error.retryable === true,
      retryAfterMs: big(wait),
      details: error.details === undefined ? undefined : JSON.stringify(error.details),
    };
  };
  return {
    describe: () => manifest,
    run(action, ctx, input) {
      start(log);
      try {
        const result = plugin.run(action, JSON.parse(input), contextOf(ctx));
        if (!waits && isPromise(result)) {
          // Whatever becomes of it, nobody hears of it.
          result.then(undefined, () => {});
          throw new TaskError(
            "async_action",
            "this engine of JavaScript runs no promises: write the action without `async`, or take the engine `starlingmonkey` in package.json",
          );
        }
        const written = after(result, (output) => JSON.stringify(output));
        return isPromise(written)
          ? written.then(undefined, (thrown) => {
              throw failed(thrown);
            })
          : written;
      } catch (thrown) {
        throw failed(thrown);
      }
    },
  };
}

function told(call) {
  try {
    return call();
  } catch (thrown) {
    throw new TaskError("state", String(thrown?.payload ?? thrown?.message ?? thrown));
  }
}

/** What was not foreseen goes into the log, with the author's own lines. */
function tell(log, cause) {
  if (cause === undefined || cause instanceof TaskError) {
    return;
  }
  const { name, message } = named(cause);
  log.emit("error", `${name}: ${message}`, []);
  for (const line of ownLines(cause)) {
    log.emit("error", `  at ${line}`, []);
  }
}
