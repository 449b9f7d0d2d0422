//! The documents held to the program: commands run as they stand there, links lead somewhere, pages that are made are what they are made of.

mod commands;
mod cookbook;
mod errors;
mod links;
mod made;
mod oracle;
mod promised;
mod scenes;
mod schema;
mod scratch;

use std::path::{Path, PathBuf};

use crate::process::Place;
use crate::support::repository;

/// The blocks of a Markdown text that are written in a language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    let fence = format!("```{language}");
    for line in text.lines() {
        match &mut open {
            Some(block) if line.trim() == "```" => {
                found.push(std::mem::take(block));
                open = None;
            }
            Some(block) => block.extend([line, "\n"]),
            None if line.trim() == fence => open = Some(String::new()),
            None => {}
        }
    }
    assert!(open.is_none(), "a block of {language} has no end:\n{text}");
    found
}

/// A document, by its path from the repository's root.
pub(crate) fn document(name: &str) -> String {
    let path = repository().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The README and all pages of the guide, by their paths from the repository's root, in order.
pub(crate) fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    below(&repository().join("docs"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "md") {
            let path = path.strip_prefix(repository()).expect("it is below");
            found.push(path.to_string_lossy().into_owned());
        }
    });
    found.sort();
    assert!(found.len() > 10, "the guide is there: {found:?}");
    found
}

/// Every file below a folder.
fn below(folder: &Path, take: &mut dyn FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).expect("read a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            below(&path, take);
        } else {
            take(&path);
        }
    }
}

/// The pages of the guide that show what is wrong; their YAML is there to be refused.
fn shows_mistakes(page: &str) -> bool {
    page.starts_with("docs/errors/")
}

#[test]
fn workflows_and_settings_of_the_documents_are_valid() {
    let mut place = Place::new().with_tools();
    // The plugin that the guide writes; in C it has the same name and the same action.
    drop(place.run("plugin new hello --lang c").code(0));
    drop(place.run("plugin build hello").code(0));
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "hello/dist");
    let mut tried = 0;
    for name in pages().iter().filter(|name| !shows_mistakes(name)) {
        for block in blocks(&document(name), "yaml") {
            if block.lines().any(|line| line.starts_with("id: ")) {
                scratch::workflows_beside(&place);
                place.write("flow.yaml", &block);
                let run = place.run("validate flow.yaml");
                assert_eq!(run.code, 0, "{name}:\n{block}\n{}", run.stderr);
            } else {
                place.write("config.yaml", &block);
                let run = place.run("config check");
                assert_eq!(run.code, 0, "{name}:\n{block}\n{}", run.stderr);
                assert!(!run.stderr.contains("warning"), "{name}:\n{block}\n{}", run.stderr);
                std::fs::remove_file(place.path("config.yaml")).expect("removed");
            }
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} blocks were found");
}

#[test]
fn every_target_of_make_that_a_document_names_is_there() {
    let makefile = document("Makefile");
    for page in pages() {
        let text = document(&page);
        let named = text.split("`make ").skip(1).chain(text.split("\nmake ").skip(1));
        for part in named {
            let target = part.split(['`', ' ', '\n']).next().unwrap_or_default();
            assert!(
                makefile.contains(&format!("\n{target}:")),
                "{page}: `make {target}` is not there"
            );
        }
    }
}
