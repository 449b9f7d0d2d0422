//! What strangers write, made at random: nothing of it panics, hangs, or takes memory without end.
//!
//! Each target is a function of bytes, as fuzzers have it. Here it runs for two seconds; `make fuzz SECONDS=600` runs it longer. A
//! failure prints a seed: `ARBTEST_SEED=0x… cargo nextest run fuzz::NAME` runs it again.

mod cases;
mod component;
mod expression;
pub(crate) mod harness;
mod masker;
mod permissions;
mod text;
mod workflow;
