"""The contract by hand: its functions, its records, its imports. componentize-py makes a component of it."""

import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import log, progress, state, types

INPUT = {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}, "required": ["words"]}


class WitWorld(wit_world.WitWorld):
    def describe(self) -> types.Manifest:
        join = types.Action("join", "Join", "Joins words.", json.dumps(INPUT), json.dumps({"type": "object"}), True)
        return types.Manifest("foreign/python", "0.0.1", "Made by componentize-py, with the contract alone.", [join])

    def run(self, action: str, context: types.Context, input: str) -> str:
        words = json.loads(input)["words"]
        if not words:
            raise Err(types.TaskError("no_words", "there are no words", True, 10, json.dumps({"words": words})))
        runs = int(state.get("runs") or "0") + 1
        state.set("runs", str(runs))
        log.emit(log.Level.WARN, "joining", [("words", str(len(words)))])
        print(f"printed by {context.task_id}")
        progress.report(len(words), len(words), "joined")
        return json.dumps({"text": " ".join(words), "attempt": context.attempt, "action": action, "runs": runs})
