//! Executions from end to end, in one binary: the engine as a library, the program as a process.

mod cases;
mod children;
mod cli;
mod crash;
mod docs;
mod dsl;
mod engine;
mod examples;
mod faults;
mod files;
mod hostile;
mod http;
mod lifecycle;
mod process;
mod proof;
mod recovery;
mod repo_rules;
mod scheduler;
mod server;
mod support;
mod tls;
mod tries;
mod unit_graph;
