//! Secret values, and the masking of everything that could hold one.

pub mod masked;

pub use masked::Masked;
