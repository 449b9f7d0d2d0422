//! How an execution goes, while it goes, on a terminal.

mod board;
mod frame;
mod screen;

pub(crate) use board::Board;
pub(crate) use frame::frame;
pub(crate) use screen::{Screen, Size};
