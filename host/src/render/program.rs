//! WASI programs for people and for scripts.

use std::path::Path;

use autokestra_sandbox::{Program, ProgramKind};

use super::plugin::{bounds, facts};
use super::{Tint, Ui, bytes, safe};

/// `plugin inspect` of a program.
pub(crate) fn program(ui: &Ui, program: &Program, path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let kind = match program.kind {
        ProgramKind::Command => "A WASI command component",
        ProgramKind::Module => "A WASI module of preview 1, made a component when it is loaded",
    };
    let mut text = format!("{}\n{kind}\n\n", ui.tint(Tint::Head, &safe(&name)));
    text += &facts(
        ui,
        &[
            ("origin", path.display().to_string()),
            ("size", bytes(program.size_bytes as u64)),
            ("digest", program.digest.to_string()),
        ],
    );
    let unreachable: Vec<&str> = program.unreachable().collect();
    text += &bounds(ui, &program.capabilities, &program.proof, &unreachable);
    let head = ui.tint(Tint::Head, "How to run it");
    let module = safe(&name);
    text.extend([format!(
        "\n{head}\n  type: core/wasm.run\n  inputs: {{ module: \"./{module}\", args: [\"--help\"] }}   # beside the workflow's file\n"
    )]);
    text
}
