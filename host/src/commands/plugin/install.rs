//! `workflow plugin install`.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use autokestra_engine::{SystemClock, own_plugin};
use autokestra_model::{Clock as _, Digest, PluginName};
use autokestra_sandbox::{LoadError, Origin, Sandbox};
use tempfile::NamedTempFile;
use url::Url;

use crate::error::{CliError, Exit};
use crate::installed::{Entry, EntryKind};
use crate::place::Place;
use crate::render::install::{InstalledView, installed};
use crate::render::{Ui, bytes, safe};
use crate::web;

const EXAMPLES: &str = "\
Examples:
  workflow plugin install ./report.wasm
  workflow plugin install https://example.com/report.wasm --digest 5c2b…

What is fetched is shown with its digest before it is installed: give the digest that its author tells, by --digest.
A plugin that has the name already is replaced. `workflow plugin lock` pins what workflows use.";

/// The largest file that is fetched. One of CPython has 20 MB.
const FETCHED_BYTES_MAX: u64 = 256 << 20;

/// Install a plugin, or a WASI program, into the local store
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A component or a program: a file, or an https address
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// The BLAKE3 digest that it must have: 64 hex digits
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    digest: Option<Digest>,
    /// The name of a program; without it, that of its file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

fn digest(text: &str) -> Result<Digest, String> {
    let hex = text.strip_prefix("blake3:").unwrap_or(text);
    hex.parse()
        .map_err(|_| "expected the 64 hex digits of a BLAKE3 digest".to_owned())
}

pub(crate) async fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let source = Source::of(&arguments.source, arguments.digest.is_some())?;
    let file = source.read().await?;
    let digest = Digest::of(&file);
    if let Some(wanted) = &arguments.digest
        && *wanted != digest
    {
        let message = format!("`{}` has the digest {digest}, and not {wanted}", arguments.source);
        let hint = "nothing was installed; ask its author, or look whether the address leads to another version";
        return Err(CliError::new(Exit::Failed, message).hint(hint));
    }
    let sandbox = place.sandbox()?;
    let (entry, statements) = look(arguments, &file, &sandbox).await?;
    taken(&entry, &sandbox).await?;
    let store = place.local_store();
    if matches!(source, Source::Address(_)) && arguments.digest.is_none() {
        ui.note(&format!(
            "{} {}, {}\ndigest {digest}\n{}\n",
            entry.name,
            safe(entry.version.as_deref().unwrap_or_default()),
            bytes(entry.size),
            statements.join("\n")
        ))?;
        agree(arguments, &digest, ui)?;
    }
    let before = store.put(&file, &entry)?;
    let replaced = before.filter(|before| before.digest != entry.digest);
    if arguments.json {
        ui.json(
            &InstalledView::new(&entry, replaced.as_ref(), &statements),
            arguments.pretty,
        )?;
    } else {
        ui.out(&installed(ui, &entry, replaced.as_ref(), &statements))?;
    }
    Ok(Exit::Success)
}

/// Where it comes from.
enum Source<'a> {
    File(&'a Path),
    Address(Url),
}

impl<'a> Source<'a> {
    fn of(text: &'a str, pinned: bool) -> Result<Self, CliError> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::File(Path::new(text)));
        };
        match scheme {
            "https" | "http" => {
                let address = Url::parse(text);
                let address = address.map_err(|error| CliError::input(format!("`{text}` is no address: {error}")))?;
                if !address.username().is_empty() || address.password().is_some() {
                    let error =
                        CliError::input("an address is asked with no name and no password, and this one has them");
                    return Err(error.hint("fetch it by a tool that takes them, such as curl, and install the file"));
                }
                // Who stands on the way may put anything in the place of what is sent in the clear, but not under its digest.
                if scheme == "http" && !pinned {
                    let error = CliError::input(format!("`{text}` is sent unprotected"));
                    return Err(error.hint("take its https address, or say by --digest what it must be"));
                }
                Ok(Self::Address(address))
            }
            "oci" => {
                let error = CliError::input("registries of OCI are not spoken to yet".to_owned());
                Err(error.hint("fetch the component by a tool of theirs, and install its file: `oras pull …`"))
            }
            other => {
                let error = CliError::input(format!("`{other}://` is no way to fetch a plugin"));
                Err(error.hint("give a file or an https address"))
            }
        }
    }

    async fn read(&self) -> Result<Vec<u8>, CliError> {
        match self {
            Self::File(path) => {
                let shown = path.display();
                let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => CliError::input(format!("there is no file {shown}")),
                    _ => CliError::input(format!("read {shown}: {error}")),
                })?;
                if !metadata.is_file() {
                    return Err(CliError::input(format!("{shown} is no file")));
                }
                if metadata.len() > FETCHED_BYTES_MAX {
                    let most = bytes(FETCHED_BYTES_MAX);
                    return Err(CliError::input(format!("{shown} is larger than {most}")));
                }
                std::fs::read(path).map_err(|error| CliError::input(format!("read {shown}: {error}")))
            }
            Self::Address(address) => {
                let fetched = web::fetch(address, FETCHED_BYTES_MAX).await;
                fetched.map_err(|reason| CliError::new(Exit::Failed, format!("fetch {address}: {reason}")))
            }
        }
    }
}

/// Loads it from a file of its own, and says what it is and what it could do at most.
async fn look(arguments: &Arguments, file: &[u8], sandbox: &Sandbox) -> Result<(Entry, Vec<String>), CliError> {
    let failed = |error: io::Error| CliError::new(Exit::Machine, format!("write a temporary file: {error}"));
    let mut copy = NamedTempFile::with_suffix(".wasm").map_err(failed)?;
    io::Write::write_all(&mut copy, file).map_err(failed)?;
    let entry = |name: String, kind, version| Entry {
        name,
        kind,
        version,
        digest: Digest::of(file).to_string(),
        size: file.len() as u64,
        source: whole(&arguments.source),
        installed: SystemClock.now().to_string(),
    };
    match sandbox.load_file(copy.path()).await {
        Ok(plugin) => {
            if arguments.name.is_some() {
                let error = CliError::input(format!("a plugin brings its own name: `{}`", plugin.name));
                return Err(error.hint("--name names a program"));
            }
            let entry = entry(plugin.name.to_string(), EntryKind::Plugin, Some(plugin.version.clone()));
            Ok((entry, plugin.capabilities.statements()))
        }
        Err(LoadError::Program { .. }) => {
            let program = sandbox.program_file(copy.path()).await?;
            let entry = entry(program_name(arguments)?, EntryKind::Program, None);
            Ok((entry, program.capabilities.statements()))
        }
        // It is known by what was given, not by the copy's path.
        Err(error) => {
            let message = error
                .to_string()
                .replace(&copy.path().display().to_string(), &arguments.source);
            Err(CliError::input(message)
                .hint("a plugin is a component of the world in `wit/`; `workflow plugin new` begins one"))
        }
    }
}

/// Where it came from, as it is kept: the path of a file, from the root, or an address. What stands behind a `?` is left out: it may let
/// whoever knows it fetch more, and a lock is shown to many.
fn whole(source: &str) -> String {
    if source.contains("://") {
        return source.split(['?', '#']).next().unwrap_or_default().to_owned();
    }
    let path = std::fs::canonicalize(source);
    path.map_or_else(|_| source.to_owned(), |path| path.display().to_string())
}

/// The name that a program is installed by.
fn program_name(arguments: &Arguments) -> Result<String, CliError> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => {
            let last = arguments.source.rsplit('/').next().unwrap_or_default();
            let last = last.split(['?', '#']).next().unwrap_or_default();
            last.strip_suffix(".wasm").unwrap_or(last).to_owned()
        }
    };
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !name.is_empty() && name.len() <= 64 && name.chars().all(is_good) && !name.starts_with('.');
    if !good || name.ends_with(".wasm") {
        let error = CliError::input(format!("`{}` is no name for a program", name.escape_debug()));
        return Err(error.hint("name it by --name: letters, digits, `-`, `_` and `.`, 64 at most"));
    }
    Ok(name)
}

/// Whether something that is not of the local store has the name.
async fn taken(entry: &Entry, sandbox: &Sandbox) -> Result<(), CliError> {
    if entry.kind == EntryKind::Program {
        return Ok(());
    }
    let name: PluginName = entry
        .name
        .parse()
        .map_err(|error: autokestra_model::IdError| CliError::input(error.to_string()))?;
    let by = if own_plugin(&name).is_some() {
        Some("the engine's own".to_owned())
    } else {
        let names = sandbox.plugin_names().await?.into_iter();
        let mut others = names.filter(|(known, _)| *known == name).map(|(_, origin)| origin);
        others.find_map(|origin| match origin {
            Origin::Embedded => Some("part of this program".to_owned()),
            Origin::File(path) => Some(format!("the one of {}", path.display())),
            Origin::Installed => None,
        })
    };
    match by {
        Some(by) => {
            let error = CliError::new(Exit::Failed, format!("`{name}` is {by}, and two cannot have one name"));
            Err(error.hint("change the name of one of them, or take the file out of `plugins.directories`"))
        }
        None => Ok(()),
    }
}

/// Asks at a terminal whether what was fetched is to be installed.
fn agree(arguments: &Arguments, digest: &Digest, ui: &Ui) -> Result<(), CliError> {
    let again = format!("workflow plugin install {} --digest {digest}", arguments.source);
    let hint = format!("compare the digest with the one that its author tells, then: `{again}`");
    let not_agreed = || CliError::input("nothing was installed: nobody agreed to the digest").hint(hint.clone());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(not_agreed());
    }
    ui.note("Install it? [y/N] ")?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::input(format!("read the answer: {error}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(not_agreed())
    }
}
