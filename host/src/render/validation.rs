//! What is wrong with workflow files, for machines.

use autokestra_model::{Diagnostic, Source, Workflow};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::{Badness, severity_name};
use crate::docs;

/// `validate`.
#[derive(Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidationView {
    /// Whether every file can be run.
    valid: bool,
    /// The files, as they were named.
    files: Vec<FileCheckView>,
    /// What is wrong or doubtful, file by file, each in the order of its text.
    diagnostics: Vec<DiagnosticView>,
}

/// One file that was checked.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileCheckView {
    /// The file, as it was named.
    file: String,
    /// Whether it can be run.
    valid: bool,
    /// The id of its workflow; null where it cannot be run.
    workflow_id: Option<String>,
    /// How many tasks it has; null where it cannot be run.
    tasks: Option<usize>,
}

/// One thing that is wrong or doubtful.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiagnosticView {
    /// The file.
    file: String,
    /// Its line, from 1; null where it is about the file as a whole.
    line: Option<usize>,
    /// Its column, from 1, in characters; null where it is about the file as a whole.
    column: Option<usize>,
    /// The line of its end; null where it is about the file as a whole.
    end_line: Option<usize>,
    /// The column behind its end; null where it is about the file as a whole.
    end_column: Option<usize>,
    /// An error keeps the workflow from running, a warning does not.
    #[schemars(with = "Badness")]
    severity: &'static str,
    /// What kind of mistake it is.
    code: String,
    /// What is wrong.
    message: String,
    /// What was expected at the place; null where the message says it.
    label: Option<String>,
    /// What to do; null where the message says it.
    help: Option<String>,
    /// The address of the page on this kind of mistake; null where there is none.
    docs: Option<String>,
}

impl ValidationView {
    pub(crate) fn new() -> Self {
        Self {
            valid: true,
            ..Self::default()
        }
    }

    /// A file that can be run, and what is doubtful about it.
    pub(crate) fn good(&mut self, file: String, workflow: &Workflow, warnings: Vec<DiagnosticView>) {
        self.files.push(FileCheckView {
            file,
            valid: true,
            workflow_id: Some(workflow.id.to_string()),
            tasks: Some(workflow.tasks.len()),
        });
        self.diagnostics.extend(warnings);
    }

    /// A file that cannot be run, and why.
    pub(crate) fn bad(&mut self, file: String, why: Vec<DiagnosticView>) {
        self.valid = false;
        self.files.push(FileCheckView {
            file,
            valid: false,
            workflow_id: None,
            tasks: None,
        });
        self.diagnostics.extend(why);
    }
}

impl DiagnosticView {
    pub(crate) fn new(source: &Source, found: &Diagnostic) -> Self {
        let (line, column) = source.line_column(found.span.start);
        let (end_line, end_column) = source.line_column(found.span.start.saturating_add(found.span.len));
        Self {
            file: source.name().to_owned(),
            line: Some(line),
            column: Some(column),
            end_line: Some(end_line),
            end_column: Some(end_column),
            severity: severity_name(found.severity),
            code: found.code.to_owned(),
            message: found.message.clone(),
            label: found.label.clone(),
            help: found.help.clone(),
            docs: Some(docs::page(found.code)),
        }
    }

    /// An error that has no place in the text.
    pub(crate) fn whole(file: String, message: String, help: Option<String>) -> Self {
        Self {
            file,
            line: None,
            column: None,
            end_line: None,
            end_column: None,
            severity: severity_name(autokestra_model::Severity::Error),
            code: "unusable_file".to_owned(),
            message,
            label: None,
            help,
            docs: None,
        }
    }
}
