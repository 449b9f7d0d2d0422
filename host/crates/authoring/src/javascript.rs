//! JavaScript: Node.js and npm, and the tools of an engine, which npm brings once for all projects.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::build::Build;
use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::kit::{Kit, Stage};
use crate::project::{File, Project, file};
use crate::{sdk, tools};

pub(crate) const FILES: &[File] = &[
    file!("package.json", "js/package.json"),
    file!("src/plugin.js", "js/plugin.js"),
    file!("tests/plugin.test.js", "js/plugin.test.js"),
    file!("jsconfig.json", "js/jsconfig.json"),
    file!(".gitignore", "js/gitignore"),
    file!(".vscode/settings.json", "js/settings.json"),
    file!(".vscode/extensions.json", "js/extensions.json"),
];

/// What a README says of the language.
pub(crate) const NOTES: &str = include_str!("../templates/js/notes.md");

/// The manifest of a project.
const MANIFEST: &str = "package.json";

/// What builds components, beside the tools that it needs.
const SCRIPT: &str = include_str!("../templates/tools/build.mjs");

/// The least version of Node.js that the tools take.
const NODE_MIN: (u32, u32) = (20, 19);

/// Where the sdk's files are among those that travel.
const SDK: &str = "sdk/js/";

/// An engine of JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// SpiderMonkey, with promises, `fetch` and what browsers have besides.
    StarlingMonkey,
    /// QuickJS: the language alone, small and quickly built.
    QuickJs,
}

impl Engine {
    const ALL: [Self; 2] = [Self::StarlingMonkey, Self::QuickJs];

    fn as_str(self) -> &'static str {
        match self {
            Self::StarlingMonkey => "starlingmonkey",
            Self::QuickJs => "quickjs",
        }
    }

    /// What npm installs, with the digests of all of it.
    fn kit(self) -> Kit {
        match self {
            Self::StarlingMonkey => Kit {
                name: "starlingmonkey",
                files: &[
                    (MANIFEST, include_str!("../templates/tools/starlingmonkey/package.json")),
                    (
                        "package-lock.json",
                        include_str!("../templates/tools/starlingmonkey/package-lock.json"),
                    ),
                    ("build.mjs", SCRIPT),
                ],
            },
            Self::QuickJs => Kit {
                name: "quickjs",
                files: &[
                    (MANIFEST, include_str!("../templates/tools/quickjs/package.json")),
                    (
                        "package-lock.json",
                        include_str!("../templates/tools/quickjs/package-lock.json"),
                    ),
                    ("build.mjs", SCRIPT),
                ],
            },
        }
    }

    fn size(self) -> &'static str {
        match self {
            Self::StarlingMonkey => "225 MB",
            Self::QuickJs => "51 MB",
        }
    }
}

/// What is read of a manifest.
#[derive(Debug)]
struct Manifest {
    main: String,
    version: String,
    engine: Engine,
    http: bool,
}

/// Puts the sdk to where Node.js and editors find it.
pub(crate) fn prepare(project: &Project, _build: &Build<'_>) -> Result<(), AuthoringError> {
    let modules = Folder::open(project.folder())?.inner("node_modules")?;
    sdk::put(&modules.inner(sdk::CRATE)?, SDK)
}

pub(crate) fn build(project: &Project, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
    let manifest = manifest(project)?;
    let node = node(build)?;
    let home = build.home()?;
    let kit = manifest.engine.kit().unpack(&home, build, |folder| {
        let npm = tools::find(build, "npm").ok_or_else(|| missing("npm".to_owned()))?;
        (build.note)(&format!(
            "installing what plugins in JavaScript are built with, by npm: {}, once",
            manifest.engine.size()
        ));
        let mut command = Command::new(npm);
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        tools::installed(command.current_dir(folder), "npm", "the registry of npm")
    })?;
    let stage = Stage::new(&home)?;
    sdk::put(&stage.inner(sdk::CRATE)?, SDK)?;
    sdk::put_contract(&stage.inner("wit")?)?;
    let out = stage.path().join("component.wasm");
    let task = json!({
        "project": text(project.folder())?,
        "main": manifest.main,
        "version": manifest.version,
        "engine": manifest.engine.as_str(),
        "http": manifest.http,
        "stage": text(stage.path())?,
        "wit": text(&stage.path().join("wit"))?,
        "out": text(&out)?,
    });
    (build.note)(&format!("making a component, by {}", manifest.engine.as_str()));
    let mut command = Command::new(node);
    command.arg(kit.join("build.mjs")).arg(task.to_string());
    // The tools write beside others' files of the same name there, and not into the project.
    command.current_dir(stage.path()).env("TMPDIR", stage.path());
    if !tools::run(&mut command)?.status.success() {
        return Err(AuthoringError::Refused {
            tool: "node",
            project: project.folder().to_path_buf(),
            advice: None,
        });
    }
    stage.read("component.wasm")
}

fn node(build: &Build<'_>) -> Result<PathBuf, AuthoringError> {
    let node = tools::find(build, "node").ok_or_else(|| missing("Node.js".to_owned()))?;
    let version = tools::ask(&node, &["--version"]).unwrap_or_default();
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < NODE_MIN {
        return Err(missing(format!(
            "Node.js {}.{} or later ({version} is there)",
            NODE_MIN.0, NODE_MIN.1
        )));
    }
    Ok(node)
}

fn missing(tool: String) -> AuthoringError {
    AuthoringError::Tool {
        tool,
        purpose: "plugins in JavaScript are built by Node.js and npm",
        install: "apt-get install --no-install-recommends nodejs npm\nor take it from https://nodejs.org/en/download"
            .to_owned(),
    }
}

fn manifest(project: &Project) -> Result<Manifest, AuthoringError> {
    let wrong = |reason: String, advice: &str| project.wrong(MANIFEST, reason, advice);
    let bytes = std::fs::read(project.folder().join(MANIFEST));
    let bytes = bytes.map_err(AuthoringError::file("read", &project.folder().join(MANIFEST)))?;
    let whole: Value = serde_json::from_slice(&bytes).map_err(|error| {
        wrong(
            error.to_string(),
            "see https://docs.npmjs.com/cli/configuring-npm/package-json",
        )
    })?;
    let word = |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
    let main = word(&whole["main"], "src/plugin.js")
        .trim_start_matches("./")
        .to_owned();
    if whole["type"] != "module" {
        return Err(wrong(
            "its modules are not those of the language".to_owned(),
            "write \"type\": \"module\"",
        ));
    }
    let ours = &whole["autokestra"];
    let keys = ours.as_object().into_iter().flat_map(|keys| keys.keys());
    if let Some(key) = keys.into_iter().find(|key| !["engine", "http"].contains(&key.as_str())) {
        return Err(wrong(
            format!("\"autokestra\" has no key `{key}`"),
            "its keys are \"engine\" and \"http\"",
        ));
    }
    let engine = word(&ours["engine"], Engine::StarlingMonkey.as_str());
    let engine = Engine::ALL.into_iter().find(|known| known.as_str() == engine).ok_or_else(|| {
        wrong(
            format!("`{engine}` is no engine of JavaScript"),
            "take \"starlingmonkey\", which waits for promises and has `fetch`, or \"quickjs\", which is small and quickly built",
        )
    })?;
    let http = match &ours["http"] {
        Value::Null => false,
        Value::Bool(http) => *http,
        _ => {
            return Err(wrong(
                "\"http\" is neither true nor false".to_owned(),
                "write \"http\": true",
            ));
        }
    };
    if http && engine == Engine::QuickJs {
        return Err(wrong(
            "quickjs has no `fetch`".to_owned(),
            "take \"engine\": \"starlingmonkey\", or leave \"http\" out",
        ));
    }
    Ok(Manifest {
        main,
        version: word(&whole["version"], "0.0.0"),
        engine,
        http,
    })
}

fn text(path: &Path) -> Result<String, AuthoringError> {
    let path = std::path::absolute(path).map_err(AuthoringError::file("find", path))?;
    path.to_str().map(str::to_owned).ok_or_else(|| AuthoringError::Exposed {
        path: path.clone(),
        reason: "its path is no UTF-8, which Node.js needs".to_owned(),
    })
}
