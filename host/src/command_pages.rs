//! `docs/commands/` is made from the command line itself, a page for each command. `UPDATE_DOCS=1 cargo test --release --workspace docs::` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::{Arg, Command};

use crate::usage;

const START: &str = "<!-- made: help -->\n";
const END: &str = "\n<!-- /made -->";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands")
}

/// Holds the made part of a page to `expected`; what stands around it is written by hand.
#[track_caller]
fn made(file: &str, title: &str, expected: &str) {
    let path = folder().join(file);
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if update => format!("# {title}\n\n{START}{END}\n"),
        Err(error) => panic!("read {file}: {error}; UPDATE_DOCS=1 makes it"),
    };
    let (before, rest) = text.split_once(START).expect("the page has a made part");
    let (found, after) = rest.split_once(END).expect("the made part ends");
    let expected = expected.trim_end();
    if update && found != expected {
        std::fs::write(&path, format!("{before}{START}{expected}{END}{after}")).expect("write a page");
        return;
    }
    assert_eq!(
        found, expected,
        "{file} is stale: set UPDATE_DOCS=1 and run this test again"
    );
}

/// A command that does something, by its words.
struct Leaf {
    words: Vec<String>,
    command: Command,
}

impl Leaf {
    fn name(&self) -> String {
        format!("workflow {}", self.words.join(" "))
    }

    fn file(&self) -> String {
        format!("{}.md", self.words.join("-"))
    }
}

fn leaves(command: &Command, words: &[String], found: &mut Vec<Leaf>) {
    // `help` explains the others, and clap makes one at each level.
    let shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    for below in command.get_subcommands().filter(shown) {
        let mut words = words.to_vec();
        words.push(below.get_name().to_owned());
        if below.has_subcommands() {
            leaves(below, &words, found);
        } else {
            found.push(Leaf {
                words,
                command: below.clone(),
            });
        }
    }
}

fn all() -> (Command, Vec<Leaf>) {
    let mut root = usage::command();
    root.build();
    let mut found = Vec::new();
    leaves(&root, &[], &mut found);
    (root, found)
}

/// Text as a cell of a table: names in code stay, bars do not end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// `-f, --follow`, `--level <LEVEL>…`, `[EXECUTION]`.
fn written(arg: &Arg) -> String {
    let values: Vec<String> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let several = arg.get_num_args().is_some_and(|count| count.max_values() > 1);
    let more = if several { "…" } else { "" };
    if arg.is_positional() {
        let name = values.join(" ");
        return if arg.is_required_set() {
            format!("`<{name}>{more}`")
        } else {
            format!("`[{name}]{more}`")
        };
    }
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    let takes = arg.get_action().takes_values();
    let value = if takes {
        format!(" <{}>{more}", values.join(" "))
    } else {
        String::new()
    };
    format!("`{}{value}`", names.join(", "))
}

fn rows<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::new();
    for arg in arguments.filter(|arg| !arg.is_hide_set()) {
        let mut about = plain(arg.get_help());
        let choices: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|choice| format!("`{}`", choice.get_name()))
            .collect();
        if !choices.is_empty() {
            about.extend([format!(" ({})", choices.join(", "))]);
        }
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            about.extend([format!("; default `{}`", defaults.join(" "))]);
        }
        text.extend([format!("| {} | {} |\n", written(arg).replace('|', "\\|"), cell(&about))]);
    }
    text
}

/// Whether every command has it.
fn is_common(arg: &Arg) -> bool {
    arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version")
}

/// What follows the options in `--help`: examples as commands, the rest as it is.
fn after(command: &Command) -> String {
    let help = plain(command.get_after_help());
    let Some((_, examples)) = help.split_once("Examples:\n") else {
        return help;
    };
    let (lines, rest) = examples.split_once("\n\n").unwrap_or((examples, ""));
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    let rest = rest.trim();
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", cell(rest).replace("\\|", "|"))
    };
    format!("```bash\n{}\n```\n{rest}", lines.join("\n"))
}

#[test]
fn every_command_has_a_page_that_is_its_help() {
    let (root, leaves) = all();
    let mut known: BTreeSet<String> = BTreeSet::from(["index.md".to_owned()]);
    let mut index = "| command | what it does |\n| --- | --- |\n".to_owned();
    for mut leaf in leaves {
        let (file, name) = (leaf.file(), leaf.name());
        let about = plain(leaf.command.get_long_about().or(leaf.command.get_about()));
        let usage = leaf.command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let own = rows(leaf.command.get_arguments().filter(|arg| !is_common(arg)));
        let table = if own.is_empty() {
            "It takes no options of its own.\n".to_owned()
        } else {
            format!("| argument or option | what it is |\n| --- | --- |\n{own}")
        };
        let text = format!(
            "{about}.\n\n```text\n{usage}\n```\n\n{table}\nAnd [the options of every command](index.md#options-of-every-command).\n\n{}",
            after(&leaf.command)
        );
        made(&file, &name, &text);
        index.extend([format!(
            "| [`{name}`]({file}) | {} |\n",
            cell(&plain(leaf.command.get_about()))
        )]);
        known.insert(file);
    }
    let help = plain(root.get_after_help());
    let (_, exit_codes) = help
        .split_once("\n\n")
        .expect("the exit codes stand behind the examples");
    index.extend([format!(
        "\n## Options of every command\n\n| option | what it is |\n| --- | --- |\n{}\n```text\n{}\n```\n",
        rows(root.get_arguments().filter(|arg| is_common(arg))),
        exit_codes.trim()
    )]);
    made("index.md", "Commands", &index);
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, known, "a page for each command, and no other");
}
