//! The commands of the documents, run as they stand there.

use std::process::{Command, Stdio};

use crate::process::{Place, workflow_binary};
use crate::support::repository;

/// The blocks of a Markdown text that are written in a language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            Some(block) if line.trim() == "```" => {
                found.push(std::mem::take(block));
                open = None;
            }
            Some(block) => block.extend([line, "\n"]),
            None if line.trim() == format!("```{language}") => open = Some(String::new()),
            None => {}
        }
    }
    found
}

pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).expect("read a document")
}

#[test]
fn the_commands_of_the_readme_work_as_they_stand() {
    let readme = document("README.md");
    let place = Place::new();
    let hello = blocks(&readme, "yaml")
        .into_iter()
        .find(|block| block.starts_with("id: hello"));
    place.write("hello.yaml", &hello.expect("the README has a workflow"));
    let mut ran = 0;
    for block in blocks(&readme, "bash") {
        for line in block.lines().filter(|line| line.starts_with("workflow ")) {
            let mut command = Command::new("bash");
            command
                .args(["-o", "pipefail", "-c", line])
                .current_dir(place.root())
                .env_clear();
            let folder = workflow_binary().parent().expect("a folder");
            command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()));
            let output = command.stdin(Stdio::null()).output().expect("run bash");
            assert!(
                output.status.success(),
                "{line}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            ran += 1;
        }
    }
    assert!(ran >= 4, "only {ran} commands were found");
}

#[test]
fn the_workflows_and_settings_of_the_documents_are_valid() {
    let place = Place::new();
    let mut tried = 0;
    for name in ["README.md", "docs/workflows.md"] {
        for block in blocks(&document(name), "yaml") {
            if block.starts_with("id: ") {
                place.write("flow.yaml", &block);
                let run = place.run("validate flow.yaml");
                assert_eq!(run.code, 0, "{name}:\n{block}\n{}", run.stderr);
            } else {
                place.write("config.yaml", &block);
                let run = place.run("config check");
                assert_eq!(run.code, 0, "{name}:\n{block}\n{}", run.stderr);
                std::fs::remove_file(place.path("config.yaml")).expect("removed");
            }
            tried += 1;
        }
    }
    assert!(tried >= 3, "only {tried} blocks were found");
}

#[test]
fn every_target_of_make_that_the_readme_names_is_there() {
    let makefile = document("Makefile");
    for part in document("README.md").split("`make ").skip(1) {
        let target = part.split(['`', ' ']).next().unwrap_or_default();
        assert!(
            makefile.contains(&format!("\n{target}:")),
            "`make {target}` is not there"
        );
    }
}
