-- What cleanup looks for: executions by their end, and whether a workflow's text still belongs to one.
CREATE INDEX executions_by_end ON executions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX executions_by_source ON executions (source) WHERE source IS NOT NULL;
