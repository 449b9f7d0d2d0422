//! Configuration files and variables of any text: settings or mistakes with places, never a panic, never a secret.

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::RenderStyle;

use super::load::{ConfigError, load};
use super::setting::{Kind, SETTINGS};

#[path = "../../../tests/tests/all/fuzz/harness.rs"]
mod harness;

const VALUES: &[&str] = &[
    "1",
    "0",
    "-1",
    "70000",
    "1e9",
    "\"7\"",
    "true",
    "null",
    "~",
    "sqlite",
    "postgresql",
    "full",
    "./x",
    "\"\"",
    "[]",
    "[a, 1, ./b]",
    "{}",
    "{ a: 1 }",
    "&a 1",
    "*a",
    "!!int x",
    "|\n  x",
    "99999999999999999999",
    "é",
    "\u{0}",
    "'",
];

const PASSWORD: &str = "hidden-word-of-this-test";

/// A file: sections and keys as they are known or almost, with values of any kind.
fn text(random: &mut Unstructured<'_>) -> Result<String> {
    if random.ratio(1, 8)? {
        return Ok(String::from_utf8_lossy(random.peek_bytes(random.len()).unwrap_or_default()).into_owned());
    }
    let mut text = String::new();
    for _ in 0..random.int_in_range(0..=10)? {
        let setting = random.choose(SETTINGS)?;
        let value = if setting.kind == Kind::Secret {
            PASSWORD
        } else {
            random.choose(VALUES)?
        };
        let (section, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        match random.int_in_range(0..=5)? {
            0 => text.extend([format!("{section}: {{ {key}: {value} }}\n")]),
            1 => text.extend([format!("{key}: {value}\n")]),
            2 => text.extend([format!("{section}: {value}\n")]),
            3 => text.extend([format!("{section}:\n  {key}x: {value}\n")]),
            _ if section.is_empty() => text.extend([format!("{key}: {value}\n")]),
            _ => text.extend([format!("{section}:\n  {key}: {value}\n")]),
        }
    }
    Ok(text)
}

fn variables(random: &mut Unstructured<'_>) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for _ in 0..random.int_in_range(0..=5)? {
        let setting = random.choose(SETTINGS)?;
        let value = if setting.kind == Kind::Secret {
            PASSWORD
        } else {
            random.choose(VALUES)?
        };
        let name = if random.ratio(1, 4)? {
            format!("{}X", setting.variable)
        } else {
            setting.variable.to_owned()
        };
        found.push((name, value.to_owned()));
    }
    Ok(found)
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.yaml");
    let text = text(random)?;
    harness::show(&text);
    std::fs::write(&path, &text).expect("written");
    let said = match load(Some(&path), &mut variables(random)?.into_iter()) {
        Ok(loaded) => {
            // Every part gets its options, whatever the values are.
            drop((
                loaded.sqlite_options(),
                loaded.runner_options(),
                loaded.cache_options(),
                loaded.artifacts(),
            ));
            let shown = loaded
                .shown()
                // A text may put the word into the value of another setting, where it is no password.
                .filter(|(setting, value, _)| setting.kind == Kind::Secret || !value.to_string().contains(PASSWORD))
                .map(|(setting, value, origin)| format!("{} {value} {origin}\n", setting.key));
            shown.collect::<String>() + &loaded.warnings.join("\n")
        }
        Err(ConfigError::File(source, errors)) => {
            assert!(errors.has_errors());
            for error in errors.iter() {
                let part = source.text().get(error.span.start..error.span.start + error.span.len);
                assert!(part.is_some(), "{error:?} is at no part of the text");
            }
            let style = RenderStyle {
                color: false,
                width: 100,
            };
            drop(errors.render(&source, style));
            String::new()
        }
        Err(ConfigError::Environment(messages)) => messages.join("\n"),
        Err(ConfigError::Unreadable(..)) => panic!("the file is there, and is UTF-8"),
    };
    assert!(!said.contains(PASSWORD), "{said}");
    Ok(())
}

fn target(bytes: &[u8]) {
    harness::by_chance(bytes, check);
}

#[test]
fn configurations_of_any_text() {
    harness::fuzz("config", 512, target);
}
