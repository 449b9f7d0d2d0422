// A plugin: its name, and its actions.

import { isAction } from "./action.js";
import { TaskError } from "./errors.js";

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*\/[a-z0-9]+(-[a-z0-9]+)*$/;

/** Says what the plugin is called and which actions it has: `export default plugin({ name: "acme/hello", actions: { greet } })`. */
export function plugin({ name, description = "", actions = {} }) {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new TypeError(`\`${name}\` is no name of a plugin: take \`namespace/plugin\`, in lower case`);
  }
  const entries = Object.entries(actions);
  const wrong = entries.find(([, one]) => !isAction(one));
  if (wrong) {
    throw new TypeError(`\`${wrong[0]}\` is no action: make one by \`action({ … }, (input, ctx) => …)\``);
  }
  if (entries.length === 0) {
    throw new TypeError(`\`${name}\` has no action`);
  }
  return Object.freeze({
    name,
    description,
    actions: Object.freeze({ ...actions }),
    /** Runs the action of a name as a task does: JSON in, JSON out, or a promise of it. */
    run(action, input, ctx) {
      if (!Object.hasOwn(actions, action)) {
        throw new TaskError("unknown_action", `there is no action \`${action}\``);
      }
      return actions[action](input, ctx);
    },
    /** What it says of itself, as the contract has it. */
    manifest: (version) => ({ name, version, description, actions: entries.map(described) }),
  });
}

function described([name, action]) {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
  return {
    name,
    title: action.title ?? words.charAt(0).toUpperCase() + words.slice(1),
    description: action.description,
    inputSchema: JSON.stringify(action.inputSchema),
    outputSchema: JSON.stringify(action.outputSchema),
    idempotent: action.idempotent,
  };
}
