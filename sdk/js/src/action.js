// What stands between the contract and an author's function.

import { check, Misfit } from "./check.js";
import { contextForTests } from "./context.js";
import { fromThrown, TaskError } from "./errors.js";
import { jsonOf, s } from "./schema.js";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/** Whether something is what `action` made. */
export const isAction = (value) => typeof value === "function" && value.inputSchema !== undefined;

/**
 * Makes a function an action: `action({ description, input, output, idempotent, title }, (input, ctx) => output)`.
 *
 * Called in a test, it checks its input, as in a task.
 */
export function action(options, run) {
  if (typeof run !== "function") {
    throw new TypeError("`action` takes what the action is like, and then the function that it runs");
  }
  const known = ["title", "description", "input", "output", "idempotent"];
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown) {
    throw new TypeError(`an action has no \`${unknown}\`; it has ${known.map((key) => `\`${key}\``).join(", ")}`);
  }
  const inputSchema = { $schema: DRAFT, ...jsonOf(options.input ?? s.object({})) };
  const outputSchema = { $schema: DRAFT, ...jsonOf(options.output ?? s.any()) };
  const called = (input = {}, ctx = contextForTests()) => {
    const given = checked(inputSchema, copied(input), "invalid_input", "the input does not fit");
    return after(attempted(() => run(given, ctx)), (output) =>
      checked(outputSchema, asJson(output), "invalid_output", "the output does not fit"),
    );
  };
  return Object.assign(called, {
    title: options.title,
    description: options.description ?? "",
    idempotent: options.idempotent === true,
    inputSchema,
    outputSchema,
  });
}

const copied = (value) => JSON.parse(JSON.stringify(value));

function checked(schema, value, code, what) {
  try {
    return check(schema, value);
  } catch (misfit) {
    if (!(misfit instanceof Misfit)) {
      throw misfit;
    }
    const place = misfit.pointer ? ` at \`${misfit.pointer}\`` : "";
    throw new TaskError(code, `${what}${place}: ${misfit.message}`, { details: { pointer: misfit.pointer } });
  }
}

function asJson(output) {
  try {
    const text = JSON.stringify(output, (_, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) {
        throw new TypeError(`${value} is no number of JSON`);
      }
      return value;
    });
    return text === undefined ? null : JSON.parse(text);
  } catch (error) {
    throw new TaskError("invalid_output", `the output is no JSON: ${error.message}`);
  }
}

/** What a call gives, or a promise of it; what is thrown in either way becomes a `TaskError`. */
function attempted(call) {
  try {
    const result = call();
    return isPromise(result)
      ? result.then(undefined, (thrown) => {
          throw fromThrown(thrown);
        })
      : result;
  } catch (thrown) {
    throw fromThrown(thrown);
  }
}

export const isPromise = (value) => value !== null && typeof value === "object" && typeof value.then === "function";

/** Goes on with a value, or with that of a promise. */
export const after = (value, next) => (isPromise(value) ? value.then(next) : next(value));
