//! Pages of reference on plugins, made of what they say of themselves.

use autokestra_model::{ActionInfo, ActionName};
use schemars::JsonSchema;
use serde::Serialize;

use super::Found;
use super::markdown::{blocks, code, inline};
use super::sample::sample;
use super::schema_tables::Tables;

/// What became of a page on disk.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PageChange {
    /// There was none.
    Created,
    /// It was another.
    Updated,
    /// It is as it was.
    Unchanged,
}

impl PageChange {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A page of `plugin docs`.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocPageView {
    /// The plugin that it is on; null for the index of all.
    pub(crate) plugin: Option<String>,
    /// The name of its file.
    pub(crate) file: String,
    /// Its text, below its title.
    pub(crate) markdown: String,
    /// What became of its file by `--out`; null where nothing is written.
    pub(crate) change: Option<PageChange>,
}

impl DocPageView {
    /// The page of a plugin.
    pub(crate) fn of(found: &Found) -> Self {
        Self {
            plugin: Some(found.name().to_owned()),
            file: file_of(found),
            markdown: page(found),
            change: None,
        }
    }

    /// The table of all of them.
    pub(crate) fn index(found: &[Found]) -> Self {
        let mut markdown = "| plugin | what it is for | actions |\n| --- | --- | --- |".to_owned();
        for plugin in found {
            let actions: Vec<String> = plugin.actions().iter().map(|action| code(&action.name)).collect();
            // The first paragraph says what it is for; the page says the rest.
            let about = plugin.description().trim().split("\n\n").next().unwrap_or_default();
            markdown.extend([format!(
                "\n| [{}]({}) | {} | {} |",
                code(plugin.name()),
                file_of(plugin),
                inline(about),
                actions.join(" ")
            )]);
        }
        Self {
            plugin: None,
            file: "index.md".to_owned(),
            markdown,
            change: None,
        }
    }

    /// What stands in the marks around its text.
    pub(crate) fn mark(&self) -> &str {
        self.plugin.as_deref().unwrap_or("plugins")
    }

    /// Its title.
    pub(crate) fn title(&self) -> &str {
        self.plugin.as_deref().unwrap_or("Plugins")
    }
}

fn file_of(found: &Found) -> String {
    // Names are letters, digits and dashes around one slash: no path, and no link.
    format!("{}.md", found.name().replace('/', "-"))
}

fn page(found: &Found) -> String {
    let mut text = blocks(found.description());
    if let Some(component) = found.component() {
        text.extend([format!("\n\nVersion {}.\n", inline(&component.version))]);
        let statements = component.capabilities.statements();
        let (cannot, can): (Vec<&str>, Vec<&str>) = statements
            .iter()
            .map(String::as_str)
            .partition(|statement| statement.starts_with("cannot "));
        for (title, all) in [("can", can), ("cannot", cannot)] {
            let all: Vec<&str> = all
                .iter()
                .filter_map(|one| one.strip_prefix(title))
                .map(str::trim)
                .collect();
            if !all.is_empty() {
                text.extend([format!("\nIt {title}: {}.\n", all.join("; "))]);
            }
        }
    } else {
        text += "\n";
    }
    let mut tables = Tables::default();
    for action in found.actions() {
        text += &section(action, &mut tables);
    }
    text.trim().to_owned()
}

/// The part of one action.
fn section(action: &ActionInfo, tables: &mut Tables) -> String {
    let whole_name = ActionName::of(&action.plugin, &action.name).to_string();
    let mut text = format!("\n## {}\n\n", code(&whole_name));
    let title = inline(action.title.trim().trim_end_matches('.'));
    if !title.is_empty() {
        text.extend([format!("**{title}.**")]);
    }
    if action.description.trim() != action.title.trim() {
        let about = blocks(&action.description);
        let begins_a_line = about.starts_with(['-', '`', '+', '*']) || about.starts_with(|c: char| c.is_ascii_digit());
        text.extend([if begins_a_line { "\n\n" } else { " " }, &about]);
    }
    text += if action.idempotent {
        "\n\nRunning it twice is the same as once.\n"
    } else {
        "\n\nRunning it twice is not the same as once: after a crash it is not run again, unless the task says `idempotent: true`.\n"
    };
    text += &tables.described("Inputs", &action.input_schema);
    text += &tables.described("Output", &action.output_schema);
    if let Some(sample) = sample(action) {
        text.extend([format!("\nThe least that it needs:\n\n{sample}\n")]);
    }
    text
}
