-- Logs are asked for by source, level, time and execution in any combination, and are read oldest first. A reader merges
-- ranges of one source and one level each, so two indexes serve every combination, without a sort and without a scan.
DROP INDEX logs_by_execution;
DROP INDEX logs_by_time;
DROP INDEX logs_by_level;
CREATE INDEX logs_by_kind ON logs (source, level, at);
CREATE INDEX logs_by_execution ON logs (execution, source, level, at);
-- A task across executions: one row for each task of each execution, not one for each of its log entries.
CREATE INDEX task_runs_by_task ON task_runs (task) WHERE item = -1;
-- Numbers that outlive rows: the highest key that a log entry ever had, when a cleanup is due again.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
