//! The table of settings against the example file, and what is said of wrong ones.

use std::path::Path;

use autokestra_model::RenderStyle;

use super::load::{ConfigError, Origin, load};
use super::setting::SETTINGS;

/// Loads a file with this text, and these variables.
fn loaded(text: &str, variables: &[(&str, &str)]) -> Result<super::Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(&path), &mut { variables })
}

/// The messages of a file that is wrong, without the folder.
fn wrong(text: &str) -> String {
    let Err(ConfigError::File(source, errors)) = loaded(text, &[]) else {
        panic!("this is a good configuration: {text}");
    };
    let style = RenderStyle {
        color: false,
        width: 100,
    };
    assert!(errors.render(&source, style).contains(&format!("{}:", source.name())));
    let lines = errors.iter().map(|error| {
        let (line, column) = source.line_column(error.span.start);
        let help = error
            .help
            .as_deref()
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        format!("{line}:{column} {}{help}", error.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_lists_every_key_with_its_default() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.example.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let shown =
        |loaded: &super::Loaded| -> Vec<_> { loaded.shown().map(|(setting, value, _)| (setting.key, value)).collect() };
    let defaults = shown(&loaded("", &[]).expect("nothing is said"));
    assert_eq!(shown(&loaded(&text, &[]).expect("the example is good")), defaults);
    // With every comment of a key made real, every key of the table is set, and to its default where there is one.
    let uncommented: String = text
        .lines()
        .map(|line| match line.trim_start().strip_prefix("#: ") {
            Some(rest) => format!("{}{rest}\n", " ".repeat(line.len() - line.trim_start().len())),
            None => format!("{line}\n"),
        })
        .collect();
    let all = loaded(&uncommented, &[]).expect("the example's keys are good");
    for (setting, value, origin) in all.shown() {
        assert!(
            matches!(origin, Origin::File(..)),
            "{} is missing in the example",
            setting.key
        );
        let default = setting.default.to_value();
        let placed = value.as_str().is_some_and(|text| text.ends_with("/./data/db.sqlite"));
        assert!(
            default.is_null() || default == value || placed,
            "{}: {value} is not the default {default}",
            setting.key
        );
        assert!(
            text.contains(setting.variable),
            "{} is missing in the example",
            setting.variable
        );
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let both = loaded("server: { port: 8000, host: h }", &[("WORKFLOW_SERVER_PORT", "9000")]).unwrap();
    let origins: Vec<(String, String)> = both
        .shown()
        .take(3)
        .map(|(_, value, origin)| {
            let origin = origin.to_string();
            let origin = origin.rsplit('/').next().unwrap_or_default().to_owned();
            (value.to_string(), origin)
        })
        .collect();
    let expected = [
        ("9000", "$WORKFLOW_SERVER_PORT"),
        ("\"h\"", "config.yaml:1"),
        ("\"sqlite\"", "default"),
    ];
    assert_eq!(
        origins,
        expected.map(|(value, origin)| (value.to_owned(), origin.to_owned()))
    );
}

#[test]
fn mistakes_in_the_file_have_a_place_and_advice() {
    insta::assert_snapshot!(wrong("server:\n  prot: 1\nexecution: { maxConcurrentTasks: 0 }\nstorage: { type: mysql }\nlogRetentionDays: \"7\"\nplugins: []\nsecrets: { file: 3 }"), @r"
    2:3 server has no key `prot` (did you mean `port`? known here: port, host)
    3:34 `execution.maxConcurrentTasks` cannot be 0
    4:18 `storage.type` cannot be `mysql`
    5:19 `logRetentionDays` must be a whole number, found a string
    6:10 `plugins` must be a mapping, found a list
    7:18 `secrets.file` must be a string, found a number (put it in quotes to make it a string)
    ");
}

#[test]
fn mistakes_in_variables_are_told_and_strangers_are_warned_of() {
    let wrong = loaded(
        "",
        &[
            ("WORKFLOW_SERVER_PORT", "70000"),
            ("WORKFLOW_STORAGE_TYPE", "mysql"),
            ("WORKFLOW_STORAGE_PASSWORD", "x"),
        ],
    );
    let Err(ConfigError::Environment(messages)) = wrong else {
        panic!("these are wrong");
    };
    insta::assert_snapshot!(messages.join("\n"), @r"
    the environment variable `WORKFLOW_SERVER_PORT` cannot be `70000`: expected a whole number from 0 to 65535
    the environment variable `WORKFLOW_STORAGE_TYPE` cannot be `mysql`: expected `sqlite` or `postgresql`
    ");
    let doubtful = loaded(
        "",
        &[
            ("WORKFLOW_SERVER_PROT", "1"),
            ("WORKFLOW_SECRET_X", "v"),
            ("OTHER", "1"),
        ],
    )
    .unwrap();
    insta::assert_snapshot!(doubtful.warnings.join("\n"), @"the environment variable `WORKFLOW_SERVER_PROT` is not known; did you mean `WORKFLOW_SERVER_PORT`?");
}

#[test]
fn a_password_is_never_shown() {
    let secret = loaded("storage: { password: hunter22 }", &[]).unwrap();
    assert!(
        secret
            .shown()
            .all(|(_, value, _)| !value.to_string().contains("hunter22"))
    );
}

#[test]
fn keys_and_variables_are_unique_and_follow_one_rule() {
    for setting in SETTINGS {
        let mut expected = "WORKFLOW_".to_owned();
        for c in setting.key.chars() {
            match c {
                '.' => expected.push('_'),
                c if c.is_ascii_uppercase() => expected.extend(['_', c]),
                c => expected.push(c.to_ascii_uppercase()),
            }
        }
        assert_eq!(setting.variable, expected);
    }
}
