// The contract by hand: its functions, its records, its imports. componentize-js, which jco calls, makes a component of it.

import { emit } from "autokestra:plugin/log@1.1.0";
import { report } from "autokestra:plugin/progress@1.1.0";
import { get, set } from "autokestra:plugin/state@1.1.0";

const input = { type: "object", properties: { words: { type: "array", items: { type: "string" } } }, required: ["words"] };

export function describe() {
  return {
    name: "foreign/js",
    version: "0.0.1",
    description: "Made by componentize-js, with the contract alone.",
    actions: [
      {
        name: "join",
        title: "Join",
        description: "Joins words.",
        inputSchema: JSON.stringify(input),
        outputSchema: JSON.stringify({ type: "object" }),
        idempotent: true,
      },
    ],
  };
}

export function run(action, context, json) {
  const { words } = JSON.parse(json);
  if (words.length === 0) {
    throw { code: "no_words", message: "there are no words", retryable: true, retryAfterMs: 10n, details: JSON.stringify({ words }) };
  }
  const runs = Number(get("runs") ?? "0") + 1;
  set("runs", String(runs));
  emit("warn", "joining", [["words", String(words.length)]]);
  console.log(`printed by ${context.taskId}`);
  report(BigInt(words.length), BigInt(words.length), "joined");
  return JSON.stringify({ text: words.join(" "), attempt: context.attempt, action, runs });
}
