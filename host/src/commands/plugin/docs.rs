//! `workflow plugin docs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autokestra_authoring::Folder;
use autokestra_sandbox::Sandbox;

use super::{inspect, list};
use crate::error::{CliError, Exit};
use crate::render::plugin_docs::{DocPageView, PageChange};
use crate::render::{Found, Ui};

const EXAMPLES: &str = "\
Examples:
  workflow plugin docs core/http
  workflow plugin docs --out plugin-docs
  workflow plugin docs core/http core/file --json | jq -r '.[].file'

With --out, each page is a file that is named after its plugin, and `index.md` is the table of all, unless some are named. Pages are
written between two comments of HTML, `made: NAME` and `/made`: what you write around them stays. A file without such comments
is never overwritten, and none is deleted.";

/// Write the reference pages of plugins, made of what they say of themselves
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Names of plugins, or paths of components; all that workflows can use where there is none
    #[arg(value_name = "NAME|FILE")]
    plugins: Vec<String>,
    /// Write a page for each plugin into this folder, made where it is missing, and not all of them to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, sandbox: &Sandbox, ui: &Ui) -> Result<Exit, CliError> {
    let found = asked_for(&arguments.plugins, sandbox).await?;
    let mut pages: Vec<DocPageView> = found.iter().map(DocPageView::of).collect();
    if arguments.plugins.is_empty() {
        pages.push(DocPageView::index(&found));
    }
    if let Some(folder) = &arguments.out {
        write(folder, &mut pages)?;
    }
    if arguments.json {
        ui.json(&pages, arguments.pretty)?;
    } else if let Some(folder) = &arguments.out {
        ui.out(&told(folder, &pages))?;
    } else {
        let texts = pages.iter().filter(|page| page.plugin.is_some());
        let texts: Vec<String> = texts
            .map(|page| format!("# {}\n\n{}\n", page.title(), page.markdown))
            .collect();
        ui.out(&texts.join("\n"))?;
    }
    Ok(Exit::Success)
}

/// Those that are named, each once, or all.
async fn asked_for(names: &[String], sandbox: &Sandbox) -> Result<Vec<Found>, CliError> {
    if names.is_empty() {
        return list::all(sandbox).await;
    }
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        let plugin = inspect::find(name, sandbox).await?;
        if !found.iter().any(|known| known.name() == plugin.name()) {
            found.push(plugin);
        }
    }
    Ok(found)
}

/// Writes what changed. All that is in the way is told before anything is written.
fn write(path: &Path, pages: &mut [DocPageView]) -> Result<(), CliError> {
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for page in pages.iter() {
        if let Some(other) = named.insert(&page.file, page.title()) {
            let message = format!("{other} and {} would have the same page, {}", page.title(), page.file);
            return Err(CliError::input(message).hint("write them into two folders, by their names"));
        }
    }
    std::fs::create_dir_all(path)
        .map_err(|error| CliError::new(Exit::Machine, format!("create the folder {}: {error}", path.display())))?;
    let folder = Folder::open(path)?;
    let mut texts = Vec::new();
    for page in pages.iter_mut() {
        let before = folder.look(&page.file)?;
        let text = match &before {
            None => format!("# {}\n\n{}", page.title(), marked(page, "", "\n")),
            Some(before) => {
                let (head, tail) = around(before, page.mark()).ok_or_else(|| strange(&path.join(&page.file), page))?;
                marked(page, head, tail)
            }
        };
        page.change = Some(match &before {
            None => PageChange::Created,
            Some(before) if *before == text => PageChange::Unchanged,
            Some(_) => PageChange::Updated,
        });
        texts.push(text);
    }
    for (page, text) in pages.iter().zip(&texts) {
        if page.change != Some(PageChange::Unchanged) {
            folder.put(&page.file, text.as_bytes())?;
        }
    }
    Ok(())
}

fn begin(mark: &str) -> String {
    format!("<!-- made: {mark} -->\n")
}

const END: &str = "\n<!-- /made -->";

fn marked(page: &DocPageView, head: &str, tail: &str) -> String {
    format!("{head}{}{}{END}{tail}", begin(page.mark()), page.markdown)
}

/// What stands before and behind the part that is made.
fn around<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (head, rest) = text.split_once(&begin(mark))?;
    // An empty part has one line end for both marks.
    let tail = rest
        .strip_prefix(END.trim_start())
        .or_else(|| Some(rest.split_once(END)?.1))?;
    Some((head, tail))
}

fn strange(path: &Path, page: &DocPageView) -> CliError {
    let message = format!(
        "{} is no page that `workflow plugin docs` made; nothing was written",
        path.display()
    );
    CliError::input(message).hint(format!(
        "choose another folder, or put the lines `{}` and `{}` where the reference may stand in it",
        begin(page.mark()).trim_end(),
        END.trim_start()
    ))
}

/// What was done, a line for each page that changed.
fn told(folder: &Path, pages: &[DocPageView]) -> String {
    let mut text = String::new();
    let mut same = 0;
    for page in pages {
        match page.change {
            Some(change @ (PageChange::Created | PageChange::Updated)) => {
                text.extend([format!("{} {}\n", change.as_str(), folder.join(&page.file).display())]);
            }
            Some(PageChange::Unchanged) | None => same += 1,
        }
    }
    let folder = folder.display();
    match same {
        0 => {}
        1 => text.extend([format!("1 page is as it was in {folder}\n")]),
        _ => text.extend([format!("{same} pages are as they were in {folder}\n")]),
    }
    text
}
