// Where and as what an action runs.

/** The contract's context, with what is left of its time. */
export function contextOf(wire) {
  const began = performance.now();
  const limit = wire.deadlineMs === undefined || wire.deadlineMs === null ? undefined : Number(wire.deadlineMs);
  return Object.freeze({
    executionId: wire.executionId,
    workflowId: wire.workflowId,
    taskId: wire.taskId,
    attempt: wire.attempt,
    index: wire.index ?? undefined,
    idempotencyKey: wire.idempotencyKey,
    timeLeft: () => (limit === undefined ? undefined : Math.max(0, (limit - (performance.now() - began)) / 1000)),
  });
}

/** The first attempt of `task`, without a deadline. */
export const contextForTests = () =>
  contextOf({
    executionId: "exec-00000000000000000000000000",
    workflowId: "workflow",
    taskId: "task",
    attempt: 1,
    idempotencyKey: "key",
  });
