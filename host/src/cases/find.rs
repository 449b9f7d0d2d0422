//! Where the component and the cases of a plugin project are.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use autokestra_model::cases::{Case, CaseFile};
use autokestra_model::yaml::FILE_BYTES_MAX;
use autokestra_model::{Diagnostic, Diagnostics, Source};
use autokestra_sandbox::Plugin;

use crate::error::CliError;

/// Folders of a project that hold no sources of the plugin.
const NO_SOURCES: &[&str] = &["dist", "target", "tests", "node_modules"];
/// Names of files that a component is made of end so.
const SOURCES: &[&str] = &[
    "rs", "toml", "lock", "js", "mjs", "cjs", "ts", "json", "py", "c", "h", "wit",
];
/// Most entries of a project that are looked at.
const ENTRIES_MAX: usize = 20_000;

/// A plugin's project, as far as its tests need it.
#[derive(Debug)]
pub(crate) struct Project {
    /// The component.
    pub(crate) component: PathBuf,
    /// A source that is newer than it.
    pub(crate) newer: Option<PathBuf>,
}

/// One file of cases.
#[derive(Debug)]
pub(crate) struct Cases {
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    pub(crate) file: Arc<CaseFile>,
}

/// The component that was built of a project.
pub(crate) fn of_project(folder: &Path) -> Result<Project, CliError> {
    let dist = folder.join("dist");
    let mut found = files(&dist, &["wasm"]).unwrap_or_default();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        let wrong = CliError::input(format!(
            "{} holds more than one component: {}",
            dist.display(),
            names.join(", ")
        ));
        return Err(wrong.hint("name the one that is meant by `--component FILE`"));
    }
    let Some(component) = found.pop() else {
        let wrong = CliError::input(format!("there is no component in {}", dist.display()));
        return Err(wrong.hint(format!(
            "run `{}`; or name a component by `--component FILE`, or a plugin that is there already by `--plugin NAME`",
            command("build", folder)
        )));
    };
    let built = std::fs::metadata(&component)
        .and_then(|metadata| metadata.modified())
        .ok();
    let newer = built.and_then(|built| newer(folder, built));
    Ok(Project { component, newer })
}

/// `workflow plugin …` for a folder.
pub(crate) fn command(name: &str, folder: &Path) -> String {
    if folder == Path::new(".") {
        format!("workflow plugin {name}")
    } else {
        format!("workflow plugin {name} {}", folder.display())
    }
}

/// A source that was changed after `built`.
fn newer(folder: &Path, built: SystemTime) -> Option<PathBuf> {
    let mut open = vec![folder.to_path_buf()];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).ok()?;
        for entry in entries.flatten() {
            seen += 1;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            // A link is not followed: it may lead anywhere, and round.
            let Ok(kind) = entry.file_type() else { continue };
            if seen > ENTRIES_MAX {
                return None;
            }
            if kind.is_dir() && !name.starts_with('.') && !NO_SOURCES.contains(&&*name) {
                open.push(path);
            } else if kind.is_file()
                && path
                    .extension()
                    .is_some_and(|end| SOURCES.iter().any(|known| end == *known))
                && entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|changed| changed > built)
            {
                return Some(path);
            }
        }
    }
    None
}

/// The files of a folder whose names end so, by name.
fn files(folder: &Path, ends: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|end| ends.iter().any(|known| end == *known))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a project's cases.
pub(crate) fn tests_of(folder: &Path) -> PathBuf {
    folder.join("tests")
}

/// Reads all cases of a project. What is wrong is told of each file.
pub(crate) fn cases_of(folder: &Path, plugin: &Plugin) -> Result<Vec<Cases>, Vec<CliError>> {
    let tests = tests_of(folder);
    let paths = files(&tests, &["yaml", "yml"]).unwrap_or_default();
    if paths.is_empty() {
        let wrong = CliError::input(format!("there are no cases: no `*.yaml` in {}", tests.display()));
        let hint =
            "write tests/cases.yaml:\n- name: greets\n  action: hello\n  input: { who: Ada }\n  output: Hello, Ada!";
        return Err(vec![wrong.hint(hint)]);
    }
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        match read(&path, &tests, plugin) {
            Ok(cases) => found.push(cases),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn read(path: &Path, tests: &Path, plugin: &Plugin) -> Result<Cases, CliError> {
    let text = text_of(path, tests)?;
    let source = Source::new(path.display().to_string(), text);
    let file = CaseFile::parse(&source).map_err(|broken| CliError::diagnostics(broken.source, broken.diagnostics))?;
    let unknown: Diagnostics = file.cases().iter().filter_map(|case| unknown(case, plugin)).collect();
    if !unknown.is_empty() {
        return Err(CliError::diagnostics(file.covered(&source), unknown));
    }
    Ok(Cases {
        path: path.to_path_buf(),
        source,
        file: Arc::new(file),
    })
}

/// The text of a file of cases. One that leads elsewhere is not shown, by a mistake in it, to who may not read it there.
fn text_of(path: &Path, tests: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| CliError::input(format!("read the cases {shown}: {error}"));
    let real = path.canonicalize().map_err(unreadable)?;
    let folder = tests.canonicalize().map_err(unreadable)?;
    if !real.starts_with(folder) {
        let wrong = CliError::input(format!("{shown} is a link that leads out of {}", tests.display()));
        return Err(wrong.hint("put the file itself there"));
    }
    if !std::fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(CliError::input(format!("{shown} is no file")));
    }
    let most = FILE_BYTES_MAX as u64;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&real).map_err(unreadable)?;
    // One byte more is enough for the parser to say that it is too long.
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).or_else(|error| {
        if error.as_bytes().len() as u64 > most {
            return Ok(String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        Err(CliError::input(format!("{shown} is no text: it is not UTF-8")).hint("save the file as UTF-8"))
    })
}

fn unknown(case: &Case, plugin: &Plugin) -> Option<Diagnostic> {
    if plugin.action(&case.action).is_some() {
        return None;
    }
    let known: Vec<&str> = plugin.actions.iter().map(|action| action.name.as_str()).collect();
    let message = format!("the plugin `{}` has no action `{}`", plugin.name, case.action);
    let error = Diagnostic::error("unknown_action", case.action_place, message);
    Some(
        error
            .label(format!("known: {}", known.join(", ")))
            .did_you_mean(&case.action, known),
    )
}
