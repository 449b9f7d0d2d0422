//! Executions from end to end, in one binary.

mod engine;
mod hostile;
mod repo_rules;
mod support;
