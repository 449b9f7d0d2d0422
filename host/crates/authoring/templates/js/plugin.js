// `@plugin@`: greets people.

import { action, log, plugin, s, TaskError } from "autokestra-sdk";

export const greet = action(
  {
    description: "Greets somebody by name.",
    input: s.object({ name: s.string().describe("The name of somebody.") }),
    output: s.object({ text: s.string().describe("The whole greeting.") }),
    idempotent: true,
  },
  (input) => {
    const name = input.name.trim();
    if (!name) {
      throw new TaskError("no_name", "`name` is empty: say who is to be greeted");
    }
    log.info("greeting", { name });
    return { text: `Hello, ${name}!` };
  },
);

export default plugin({ name: "@plugin@", description: "Greets people.", actions: { greet } });
