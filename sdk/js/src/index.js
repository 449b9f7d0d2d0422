// Write plugins for Autokestra: functions with typed input and output, each run in a sandbox of its own.
//
//   import { action, log, plugin, s } from "autokestra-sdk";
//
//   export const greet = action({
//     description: "Greets somebody by name.",
//     input: s.object({ name: s.string().describe("The name of somebody.") }),
//     output: s.object({ text: s.string().describe("The whole greeting.") }),
//   }, ({ name }) => {
//     log.info("greeting", { name });
//     return { text: `Hello, ${name}!` };
//   });
//
//   export default plugin({ name: "acme/hello", actions: { greet } });

export { action } from "./action.js";
export { TaskError } from "./errors.js";
export * as log from "./log.js";
export { plugin } from "./plugin.js";
export * as progress from "./progress.js";
export { Schema, s } from "./schema.js";
export * as state from "./state.js";
