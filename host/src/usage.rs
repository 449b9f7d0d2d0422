//! The command line as people and machines see it: its groups, and the schemas of what it prints.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, ColorChoice, Command, CommandFactory as _, FromArgMatches as _};
use serde_json::Value;

use crate::cli::Cli;
use crate::commands::json_schema;

/// The argument that asks for a schema.
const SCHEMA: &str = "json_schema";

/// The commands as `workflow --help` groups them. One that stands in no group is shown behind them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Workflows", &["run", "validate", "graph", "schema"]),
    ("Executions", &["execution", "audit"]),
    ("Plugins, secrets, settings", &["plugin", "secret", "config"]),
    ("This program", &["completions", "man", "help"]),
];

/// What the command line asks for.
pub(crate) enum Asked {
    /// To run a command.
    Command(Box<Cli>),
    /// The schema of what a command prints.
    Schema(Value),
}

/// Reads the arguments of the process.
///
/// # Errors
/// What is wrong with them; and help and the version, which clap takes for errors too.
pub(crate) fn parse() -> Result<Asked, clap::Error> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let color = color(&arguments);
    // A schema is asked for without the arguments that the command itself would need.
    if arguments.iter().any(|argument| argument == "--json-schema") {
        let matches = relaxed(command()).color(color).try_get_matches_from(&arguments)?;
        if let Some(schema) = asked_schema(&matches) {
            return Ok(Asked::Schema(schema));
        }
    }
    let mut command = command().color(color);
    let runs = arguments.iter().any(|argument| argument == "run");
    let matches = command.try_get_matches_from_mut(arguments);
    let mut matches = matches.map_err(|error| advised(error, runs))?;
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    Ok(Asked::Command(Box::new(cli)))
}

/// An error with a tip where it is clear what was meant.
fn advised(mut error: clap::Error, runs: bool) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::UnknownArgument if runs => text(ContextKind::InvalidArg)
            .filter(|given| !given.starts_with('-') && given.contains('='))
            .map(|given| format!("an input is given by '--input {given}'")),
        ErrorKind::InvalidSubcommand => text(ContextKind::InvalidSubcommand)
            .filter(|given| [".yaml", ".yml"].iter().any(|end| given.ends_with(end)))
            .map(|given| format!("a workflow is run by 'workflow run {given}'"))
            .or_else(|| text(ContextKind::InvalidSubcommand).and_then(|given| elsewhere(&given))),
        _ => None,
    };
    if let Some(tip) = tip {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}

/// A command that stands in a group, where it was asked for without it.
fn elsewhere(given: &str) -> Option<String> {
    let found = Cli::command().get_subcommands().find_map(|group| {
        let below = group.get_subcommands().find(|below| below.get_name() == given)?;
        Some(format!("workflow {} {}", group.get_name(), below.get_name()))
    });
    found.map(|command| format!("there is '{command}'"))
}

/// The whole command line, for whoever parses or explains it.
pub(crate) fn command() -> Command {
    grouped(with_schemas(Cli::command()))
}

/// Every command that prints JSON can print its schema.
fn with_schemas(command: Command) -> Command {
    let prints_json = command.get_arguments().any(|argument| argument.get_id() == "json");
    let command = if prints_json {
        let help = "Print the JSON Schema of that JSON, and nothing else";
        let schema = Arg::new(SCHEMA)
            .long("json-schema")
            .action(ArgAction::SetTrue)
            .help(help);
        command.arg(schema)
    } else {
        command
    };
    command.mut_subcommands(with_schemas)
}

/// No command needs an argument.
fn relaxed(command: Command) -> Command {
    command
        .mut_args(|argument| argument.required(false))
        .mut_subcommands(relaxed)
}

fn asked_schema(matches: &ArgMatches) -> Option<Value> {
    let (mut path, mut matches) = (Vec::new(), matches);
    while let Some((name, below)) = matches.subcommand() {
        path.push(name);
        matches = below;
    }
    let asked = matches.try_get_one::<bool>(SCHEMA).ok().flatten().copied();
    asked.filter(|asked| *asked)?;
    let flag = |name: &str| matches.try_get_one::<bool>(name).ok().flatten() == Some(&true);
    json_schema::of(&path, flag("follow"))
}

/// The colours of clap's own words: what `--color` says, wherever it stands.
fn color(arguments: &[OsString]) -> ColorChoice {
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    let choice = arguments.find_map(|argument| match argument.strip_prefix("--color") {
        Some("") => Some("".to_owned()),
        Some(rest) => rest.strip_prefix('=').map(str::to_owned),
        None => None,
    });
    let choice = match choice.as_deref() {
        Some("") => arguments.next().map(|next| next.into_owned()),
        _ => choice,
    };
    match choice.as_deref() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// `workflow --help` with its commands in groups.
fn grouped(command: Command) -> Command {
    // clap makes `help` only when it builds the command.
    let mut known: Vec<(String, String)> = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .map(|below| {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            (below.get_name().to_owned(), about)
        })
        .collect();
    known.push(("help".to_owned(), "Explain a command: `workflow help run`".to_owned()));
    let styles = command.get_styles();
    let (head, name) = (styles.get_header(), styles.get_literal());
    let width = known.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    let mut add = |title: &str, wanted: &dyn Fn(&str) -> bool| {
        let shown: Vec<_> = known.iter().filter(|(name, _)| wanted(name)).collect();
        if shown.is_empty() {
            return;
        }
        text.extend([format!("\n{head}{title}:{head:#}\n")]);
        for (command, about) in shown {
            text.extend([format!("  {name}{command:<width$}{name:#}  {about}\n")]);
        }
    };
    for (title, names) in GROUPS {
        add(title, &|name| names.contains(&name));
    }
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    add("More", &|name| !is_grouped(name));
    text.extend([format!("\n{head}Options:{head:#}\n{{options}}{{after-help}}")]);
    command.help_template(StyledStr::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `look` with the path of every command and the command.
    fn walk(command: &Command, path: &mut Vec<String>, look: &mut dyn FnMut(&[String], &Command)) {
        for below in command.get_subcommands() {
            path.push(below.get_name().to_owned());
            look(path, below);
            walk(below, path, look);
            path.pop();
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        relaxed(command()).debug_assert();
    }

    #[test]
    fn every_command_stands_in_a_group() {
        for below in command().get_subcommands() {
            let name = below.get_name();
            assert!(
                GROUPS.iter().any(|(_, names)| names.contains(&name)),
                "`{name}` is missing in GROUPS"
            );
        }
    }

    #[test]
    fn every_command_that_prints_json_has_a_schema() {
        let mut seen = 0;
        walk(&command(), &mut Vec::new(), &mut |path, command| {
            let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            assert_eq!(has("json"), has(SCHEMA), "{path:?}");
            assert_eq!(has("json"), has("pretty"), "{path:?}");
            assert_eq!(
                has("json"),
                json_schema::of(&path, false).is_some(),
                "{path:?}: add it to commands/json_schema.rs"
            );
            seen += usize::from(has("json"));
        });
        assert!(seen >= 15, "{seen}");
    }

    #[test]
    fn a_choice_of_colours_is_found_wherever_it_stands() {
        let of = |line: &str| color(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("workflow run --color always"), ColorChoice::Always);
        assert_eq!(of("workflow --color=never run"), ColorChoice::Never);
        assert_eq!(of("workflow run"), ColorChoice::Auto);
        assert_eq!(of("workflow run --color"), ColorChoice::Auto);
    }
}
