//! The settings that decide whether precompiled code fits an engine.
//!
//! The build script of `builtin` includes this file, so it knows nothing but wasmtime.

use wasmtime::Config;

/// Stack of a guest, in bytes: 1 MiB.
const STACK_BYTES: usize = 1 << 20;

/// Stack of the fiber that a guest runs on: its own, and room for host calls on top of it.
const FIBER_BYTES: usize = STACK_BYTES + (1 << 20);

/// Sets up code generation. `fuel` counts instructions, which costs speed, so it has an engine of its own.
pub(crate) fn configure(config: &mut Config, fuel: bool) {
    config.epoch_interruption(true);
    config.consume_fuel(fuel);
    config.max_wasm_stack(STACK_BYTES);
    config.async_stack_size(FIBER_BYTES);
    config.wasm_component_model(true);
    // A guest's failure is told by its own words and its trap's code. Maps from code to source would double what every first
    // use of a plugin has to load.
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.wasm_backtrace_max_frames(None);
}
