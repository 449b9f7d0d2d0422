//! Rust: cargo, the sdk, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use autokestra_toolchain::{TARGET, Toolchain};
use serde_json::Value;

use crate::build::Build;
use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::home::Home;
use crate::project::{File, Project, file};
use crate::{sdk, tools};

pub(crate) const FILES: &[File] = &[
    file!("Cargo.toml", "rust/manifest.toml"),
    // The versions that this program's own plugins are built with.
    File {
        path: "Cargo.lock",
        text: include_str!(concat!(env!("OUT_DIR"), "/project.lock")),
    },
    file!("src/lib.rs", "rust/lib.rs"),
    file!(".gitignore", "rust/gitignore"),
    file!(".vscode/settings.json", "rust/settings.json"),
    file!(".vscode/extensions.json", "rust/extensions.json"),
];

/// What a README says of the language.
pub(crate) const NOTES: &str = include_str!("../templates/rust/notes.md");

/// The first line of the cargo configuration that is ours: without it, the file is the user's.
const MARK: &str = "# Written by `workflow plugin build`, for this machine alone.";

/// What is read of a manifest.
#[derive(Debug)]
struct Manifest {
    /// The name of the library, which is that of the file that is built.
    library: String,
    /// The version of the sdk that it asks for, if it leaves to cargo where that is from.
    sdk: Option<String>,
}

impl Manifest {
    /// Whether the sources that travel in the program are what it asks for.
    fn is_served(&self) -> bool {
        self.sdk.as_deref().is_some_and(sdk::serves)
    }
}

/// Tells cargo, and so editors, where the sdk is.
pub(crate) fn prepare(project: &Project, build: &Build<'_>) -> Result<(), AuthoringError> {
    if !manifest(project)?.is_served() {
        return Ok(());
    }
    let sdk = quoted(&sdk::unpack(&build.home()?)?)?;
    let text = format!(
        "{MARK} It is for no repository.\n# The sdk travels in the program; here cargo and editors find it.\n\
         [patch.crates-io]\n{} = {{ path = {sdk} }}\n",
        sdk::CRATE
    );
    let folder = Folder::open(project.folder())?.inner(".cargo")?;
    match folder.read("config.toml") {
        Some(found) if found == text.as_bytes() => Ok(()),
        Some(found) if !found.starts_with(MARK.as_bytes()) => Ok(()),
        Some(_) | None => folder.put("config.toml", text.as_bytes()),
    }
}

pub(crate) fn build(project: &Project, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
    let manifest = manifest(project)?;
    let toolchain = toolchain(build)?;
    let home = build.home()?;
    // All projects share one folder, so that what they depend on is built once.
    let target = home.folder("target")?;
    let lock = home.lock("target", || (build.note)("waiting for another build to end"))?;
    claim(&home, &target, &manifest.library, project)?;
    let mut command = toolchain.cargo("build", &target);
    command
        .current_dir(project.folder())
        .args(["--release", "--lib", "--message-format", "json-render-diagnostics"]);
    command.args(["--color", if build.colored { "always" } else { "never" }]);
    if !build.watched {
        command.arg("--quiet");
    }
    if manifest.is_served() {
        let path = quoted(&sdk::unpack(&home)?)?;
        command.args(["--config", &format!("patch.crates-io.{}.path={path}", sdk::CRATE)]);
    }
    let output = tools::run(&mut command)?;
    if !output.status.success() {
        let advice = advice(&manifest, build);
        return Err(AuthoringError::Refused {
            tool: "cargo",
            project: project.folder().to_path_buf(),
            advice,
        });
    }
    let component = component(&output.stdout, project.folder()).ok_or_else(|| {
        project.wrong(
            "Cargo.toml",
            "the crate has no component",
            "a plugin is a library of its own kind:\n[lib]\ncrate-type = [\"cdylib\"]",
        )
    })?;
    let bytes = fs::read(&component).map_err(AuthoringError::file("read", &component))?;
    drop(lock);
    Ok(bytes)
}

/// What to do where cargo failed, if it is known.
fn advice(manifest: &Manifest, build: &Build<'_>) -> Option<String> {
    if let Some(asked) = manifest.sdk.as_deref().filter(|asked| !sdk::serves(asked)) {
        return Some(format!(
            "the project asks for {} `{asked}`, and this program carries {}; name that in Cargo.toml, or use a program of the other version",
            sdk::CRATE,
            sdk::VERSION
        ));
    }
    let has_linker = tools::find(build, "cc").is_some();
    (!has_linker).then(|| {
        "macros and build scripts are linked by a C compiler, and there is no `cc`; install it by:\n\
         apt-get install --no-install-recommends gcc libc6-dev"
            .to_owned()
    })
}

fn toolchain(build: &Build<'_>) -> Result<Toolchain, AuthoringError> {
    if tools::find(build, "cargo").is_none() {
        return Err(AuthoringError::Tool {
            tool: "cargo".to_owned(),
            purpose: "plugins in Rust are built by it",
            install: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --target wasm32-wasip2"
                .to_owned(),
        });
    }
    Toolchain::find().map_err(|_| AuthoringError::Tool {
        tool: format!("Rust's target {TARGET}"),
        purpose: "plugins are compiled for it",
        install: format!(
            "rustup target add {TARGET}\nor, on Debian: apt-get install --no-install-recommends rustc-web rust-web-src wasi-libc"
        ),
    })
}

/// Takes the name of a library for this project. Of two projects with one name, cargo would take the component of the other for
/// its own: the file has the name of the library alone.
fn claim(home: &Home, target: &Path, library: &str, project: &Project) -> Result<(), AuthoringError> {
    let folder = project.folder();
    let folder = fs::canonicalize(folder).map_err(AuthoringError::file("open", folder))?;
    let claims = home.folder("claims")?;
    let claim = claims.join(library);
    if fs::read(&claim).is_ok_and(|owner| owner == folder.as_os_str().as_encoded_bytes()) {
        return Ok(());
    }
    let release = target.join(TARGET).join("release");
    for file in [
        release.join(format!("{library}.wasm")),
        release.join("deps").join(format!("{library}.wasm")),
    ] {
        if file.exists() {
            fs::remove_file(&file).map_err(AuthoringError::file("remove", &file))?;
        }
    }
    fs::write(&claim, folder.as_os_str().as_encoded_bytes()).map_err(AuthoringError::file("write", &claim))
}

/// The component of the crate in `folder`, of what cargo says that it built.
fn component(messages: &[u8], folder: &Path) -> Option<PathBuf> {
    let manifest = fs::canonicalize(folder.join("Cargo.toml")).ok()?;
    let is_ours = |message: &Value| {
        message["reason"] == "compiler-artifact"
            && message["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path) == manifest)
    };
    let messages = messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok());
    let mut files = messages
        .filter(is_ours)
        .flat_map(|message: Value| match &message["filenames"] {
            Value::Array(files) => files.clone(),
            _ => Vec::new(),
        });
    files.find_map(|file| {
        Some(PathBuf::from(file.as_str()?)).filter(|path| path.extension().is_some_and(|end| end == "wasm"))
    })
}

fn manifest(project: &Project) -> Result<Manifest, AuthoringError> {
    let path = project.folder().join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(AuthoringError::file("read", &path))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        project.wrong(
            "Cargo.toml",
            format!("line {line}: {}", error.message()),
            "see https://doc.rust-lang.org/cargo/reference/manifest.html",
        )
    })?;
    let named = |section: &str| table.get(section)?.get("name")?.as_str();
    let Some(package) = named("package") else {
        return Err(project.wrong(
            "Cargo.toml",
            "it names no package",
            "name the folder of one package: `workflow plugin build DIR`",
        ));
    };
    let library = named("lib").unwrap_or(package).replace('-', "_");
    if library.is_empty() || !library.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(project.wrong(
            "Cargo.toml",
            format!("`{library}` is no name of a crate"),
            "take letters, digits and `-`",
        ));
    }
    let asked = match table.get("dependencies").and_then(|all| all.get(sdk::CRATE)) {
        Some(toml::Value::String(requirement)) => Some(requirement.as_str()),
        Some(toml::Value::Table(table))
            if !["path", "git", "registry", "workspace"]
                .iter()
                .any(|key| table.contains_key(*key)) =>
        {
            table.get("version").and_then(toml::Value::as_str)
        }
        Some(_) | None => None,
    };
    Ok(Manifest {
        library,
        sdk: asked.map(str::to_owned),
    })
}

/// A path as a string of TOML, which JSON's are.
fn quoted(path: &Path) -> Result<String, AuthoringError> {
    let text = path.to_str().ok_or_else(|| AuthoringError::Exposed {
        path: path.to_path_buf(),
        reason: "its path is no UTF-8, which cargo needs".to_owned(),
    })?;
    Ok(Value::from(text).to_string())
}
