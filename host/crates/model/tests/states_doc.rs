//! The diagram of the states in `docs/states.md` is made from the one table. `UPDATE_DOCS=1 cargo test` writes it anew.

use std::fmt::Display;
use std::path::Path;

use autokestra_model::{ExecutionState, ReasonCode, State, TaskState};

fn diagram<S: State + Display>(all: &[S], first: S) -> String {
    let mut lines = vec![
        "```mermaid".to_owned(),
        "stateDiagram-v2".to_owned(),
        format!("    [*] --> {first}"),
    ];
    for from in all {
        lines.extend(from.next().iter().map(|to| format!("    {from} --> {to}")));
        if from.is_terminal() {
            lines.push(format!("    {from} --> [*]"));
        }
    }
    lines.push("```".to_owned());
    lines.join("\n")
}

#[test]
fn the_documents_diagram_is_the_table() {
    let codes: Vec<String> = ReasonCode::ALL
        .iter()
        .map(|code| format!("[`{code}`](errors/{code}.md)"))
        .collect();
    let expected = format!(
        "# States\n\nMade from the table in `host/crates/model/src/state.rs`; a test holds this page to it. Every arrow is one transaction with its \
         audit event; from an end no arrow leads on.\n\n## Executions\n\n{}\n\n## Task runs\n\n{}\n\n## Reason codes\n\nWhy a state was entered, for machines: {}.\n",
        diagram(ExecutionState::ALL, ExecutionState::Pending),
        diagram(TaskState::ALL, TaskState::Pending),
        codes.join(", ")
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/states.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).expect("write the page");
    }
    let found = std::fs::read_to_string(&path).expect("read the page");
    assert_eq!(
        found, expected,
        "run `UPDATE_DOCS=1 cargo test --package autokestra-model --test states_doc`"
    );
}
