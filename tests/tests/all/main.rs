//! Executions from end to end, in one binary: the engine as a library, the program as a process.

mod cache;
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
mod forms;
mod fuzz;
mod hostile;
mod http;
mod lifecycle;
mod process;
mod recovery;
mod repo_rules;
mod scheduler;
mod server;
mod support;
mod tls;
mod unit_graph;
