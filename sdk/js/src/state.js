// Small JSON values that live across the executions of one workflow: watermarks, cursors.
//
// A change takes effect only if the attempt succeeds.

import { TaskError } from "./errors.js";
import { host } from "./host.js";

/** The value of `key`, or `otherwise`. */
export function get(key, otherwise) {
  const value = host().get(key);
  return value === undefined || value === null ? otherwise : JSON.parse(value);
}

/** Sets `key`. It fails with the code `state` where the value or the key is too large, or there are too many. */
export function set(key, value) {
  const text = JSON.stringify(value);
  if (text === undefined) {
    throw new TaskError("state", `the value of \`${key}\` is no JSON; \`state.delete\` removes a key`);
  }
  host().set(key, text);
}

/** Removes `key`. */
const remove = (key) => host().delete(key);
export { remove as delete };
