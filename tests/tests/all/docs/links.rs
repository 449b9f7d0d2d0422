//! Links of the documents lead to files and headings that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use super::{document, pages};
use crate::support::repository;

/// Where files of the repository are, for links that leave the guide.
const ADDRESS: &str = "https://github.com/autokestra/autokestra/blob/main/";

/// The text without its blocks of code, and without code in its lines.
fn links_of(text: &str) -> String {
    let code = Regex::new(r"`[^`]*`").expect("a good pattern");
    code.replace_all(&prose(text), "code").into_owned()
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The anchor that GitHub and mdBook make of a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let kept = letters
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").expect("a good pattern");
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(&link.replace_all(line.trim_start_matches('#'), "$1")))
        .collect()
}

/// `a/./b/../c` as `a/c`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                assert!(parts.pop(), "{} leaves the repository", path.display());
            }
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => parts.push(part),
        }
    }
    parts
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a good pattern");
    let others = ["SECURITY.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(str::to_owned);
    let (mut checked, mut broken) = (0, Vec::new());
    for page in pages().into_iter().chain(others) {
        let text = links_of(&document(&page));
        for found in link.captures_iter(&text) {
            let target = &found[1];
            let (path, heading) = target
                .split_once('#')
                .map_or((target, None), |(path, heading)| (path, Some(heading)));
            let file = match path.strip_prefix(ADDRESS) {
                Some(path) => PathBuf::from(path),
                None if path.contains("://") => continue,
                None if path.is_empty() => PathBuf::from(&page),
                None => normal(&Path::new(&page).parent().expect("a folder").join(path)),
            };
            checked += 1;
            if !repository().join(&file).exists() {
                broken.push(format!("{page}: {target}"));
            } else if let Some(heading) = heading
                && !anchors(&document(&file.to_string_lossy())).contains(heading)
            {
                broken.push(format!("{page}: {target} has no such heading"));
            }
            // A page of the guide is read as a book too, which has nothing outside of docs/.
            if page.starts_with("docs/") && !path.contains("://") && !file.starts_with("docs") {
                broken.push(format!(
                    "{page}: {target} leaves the book; write {ADDRESS}{}",
                    file.display()
                ));
            }
        }
    }
    assert!(checked > 200, "only {checked} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_book_has_every_page_once() {
    let link = Regex::new(r"\]\(([^)#\s]+\.md)\)").expect("a good pattern");
    let mut listed: BTreeMap<String, u32> = BTreeMap::new();
    for found in link.captures_iter(&document("docs/SUMMARY.md")) {
        *listed.entry(format!("docs/{}", &found[1])).or_default() += 1;
    }
    let pages: BTreeMap<String, u32> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/") && page != "docs/SUMMARY.md")
        .map(|page| (page, 1))
        .collect();
    assert_eq!(listed, pages);
    assert!(
        document("docs/book.toml").contains("src = \".\""),
        "the pages stand beside the book's settings"
    );
}

#[test]
fn addresses_of_the_repository_are_those_of_its_manifest() {
    let manifest = document("Cargo.toml");
    let repository = ADDRESS.trim_end_matches("/blob/main/");
    assert!(manifest.contains(&format!("repository = \"{repository}\"")));
}
