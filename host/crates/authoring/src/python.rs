//! Python: the machine's own interpreter, and componentize-py, which pip brings once for all projects.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build::Build;
use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::kit::{Kit, Stage};
use crate::project::{File, Project, file};
use crate::{sdk, tools};

pub(crate) const FILES: &[File] = &[
    file!("pyproject.toml", "python/pyproject.toml"),
    file!("src/plugin.py", "python/plugin.py"),
    file!("tests/test_plugin.py", "python/test_plugin.py"),
    file!("pyrightconfig.json", "python/pyrightconfig.json"),
    file!(".gitignore", "python/gitignore"),
    file!(".vscode/settings.json", "python/settings.json"),
    file!(".vscode/extensions.json", "python/extensions.json"),
];

/// What a README says of the language.
pub(crate) const NOTES: &str = include_str!("../templates/python/notes.md");

/// The manifest of a project.
const MANIFEST: &str = "pyproject.toml";

/// componentize-py, by the digests of its files.
const KIT: Kit = Kit {
    name: "python",
    files: &[("requirements.txt", include_str!("../templates/tools/requirements.txt"))],
};

/// The Python that is in a component, as pip names it.
const INNER_VERSION: &str = "3.14";

/// The least version of the interpreter on the machine.
const PYTHON_MIN: (u32, u32) = (3, 10);

/// Where the sdk's files are among those that travel.
const SDK: &str = "sdk/python/src/autokestra_sdk/";

/// The module that is made a component. It hands the author's to the sdk.
const MAIN: &str = "autokestra_main";

/// What is read of a manifest.
#[derive(Debug)]
struct Manifest {
    module: String,
    version: String,
    http: bool,
    dependencies: Vec<String>,
}

/// Makes the environment in which tests and editors find the sdk.
pub(crate) fn prepare(project: &Project, build: &Build<'_>) -> Result<(), AuthoringError> {
    let folder = Folder::open(project.folder())?;
    let venv = folder.inner(".venv")?;
    if venv.read("pyvenv.cfg").is_none() {
        make_venv(&python(build)?, venv.path(), &["--without-pip"])?;
    }
    let libraries = venv.inner("lib")?;
    let entries = std::fs::read_dir(libraries.path()).map_err(AuthoringError::file("read", libraries.path()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let source = std::path::absolute(project.folder().join("src"));
    let source = source.map_err(AuthoringError::file("find", project.folder()))?;
    for name in names.filter(|name| name.starts_with("python3.")) {
        let packages = libraries.inner(&name)?.inner("site-packages")?;
        sdk::put(&packages.inner("autokestra_sdk")?, SDK)?;
        // Tests import the plugin, which is not installed.
        sdk::put_file(
            &packages,
            "autokestra_project.pth",
            format!("{}\n", source.display()).as_bytes(),
        )?;
    }
    Ok(())
}

pub(crate) fn build(project: &Project, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
    let manifest = manifest(project)?;
    let python = python(build)?;
    let home = build.home()?;
    let kit = KIT.unpack(&home, build, |folder| {
        (build.note)("installing what plugins in Python are built with, by pip: 75 MB, once");
        let venv = folder.join("venv");
        make_venv(&python, &venv, &[])?;
        let mut command = pip(&venv);
        command.args([
            "install",
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-r",
        ]);
        tools::installed(command.arg(folder.join("requirements.txt")), "pip", "PyPI")
    })?;
    let stage = Stage::new(&home)?;
    sdk::put(&stage.inner("sdk")?.inner("autokestra_sdk")?, SDK)?;
    sdk::put_contract(&stage.inner("wit")?)?;
    let main = format!(
        "import {} as _\nfrom autokestra_sdk._guest import component\n\nWitWorld = component({})\n",
        manifest.module,
        // A string of JSON is one of Python.
        serde_json::Value::from(manifest.version.as_str())
    );
    stage.inner("main")?.put(&format!("{MAIN}.py"), main.as_bytes())?;
    let packages = dependencies(&manifest, &kit, &stage, project, build)?;
    (build.note)("making a component, by componentize-py");
    let mut command = Command::new(kit.join("venv/bin/componentize-py"));
    command.arg("--quiet").arg("--wit-path").arg(stage.path().join("wit"));
    // The larger world is of the smaller one and all that WASI has: HTTP among it.
    command.args([
        "--world",
        if manifest.http { "plugin" } else { "guest" },
        "componentize",
        MAIN,
    ]);
    let folders = [
        project.folder().join("src"),
        stage.path().join("sdk"),
        stage.path().join("main"),
    ];
    for folder in folders.iter().chain(&packages) {
        let folder = std::path::absolute(folder).map_err(AuthoringError::file("find", folder))?;
        command.arg("--python-path").arg(folder);
    }
    command.arg("--output").arg(stage.path().join("component.wasm"));
    command
        .current_dir(stage.path())
        .env("RUST_BACKTRACE", "0")
        .env_remove("VIRTUAL_ENV");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let output = command.output().map_err(|source| AuthoringError::Start {
        program: kit.join("venv/bin/componentize-py"),
        source,
    })?;
    if output.status.success() {
        return stage.read("component.wasm");
    }
    (build.note)(&told(&String::from_utf8_lossy(&output.stderr)));
    Err(AuthoringError::Refused {
        tool: "componentize-py",
        project: project.folder().to_path_buf(),
        advice: None,
    })
}

/// What componentize-py says of a project: the traceback of the author's module, once, with the author's own paths.
fn told(stderr: &str) -> String {
    let whole = stderr.split("\nCaused by:").next().unwrap_or(stderr);
    let whole = whole.split_once("AssertionError: ").map_or(whole, |(_, inner)| inner);
    let ours = |line: &str| line.contains("/autokestra_sdk/") || line.contains("/autokestra_main.py");
    let mut kept = Vec::new();
    let mut is_ours = false;
    for line in whole.lines() {
        if line.starts_with("  File ") {
            is_ours = ours(line);
        } else if !line.starts_with("    ") {
            is_ours = false;
        }
        if !is_ours {
            kept.push(line.replace("File \"/0/", "File \"src/"));
        }
    }
    kept.join("\n").trim_end().to_owned()
}

/// Packages that the project depends on. Only such of Python alone run in a component: none is built, so nothing of theirs runs here.
fn dependencies(
    manifest: &Manifest,
    kit: &Path,
    stage: &Stage,
    project: &Project,
    build: &Build<'_>,
) -> Result<Option<PathBuf>, AuthoringError> {
    if manifest.dependencies.is_empty() {
        return Ok(None);
    }
    (build.note)(&format!("taking in {}", manifest.dependencies.join(", ")));
    let folder = stage.path().join("packages");
    let mut command = pip(&kit.join("venv"));
    command.args([
        "install",
        "--only-binary",
        ":all:",
        "--platform",
        "any",
        "--implementation",
        "py",
        "--abi",
        "none",
    ]);
    command
        .args(["--python-version", INNER_VERSION, "--target"])
        .arg(&folder);
    command.arg("--").args(&manifest.dependencies);
    if tools::run(&mut command)?.status.success() {
        return Ok(Some(folder));
    }
    Err(AuthoringError::Refused {
        tool: "pip",
        project: project.folder().to_path_buf(),
        advice: Some(
            "a component takes in packages of Python alone, from PyPI; such with code of C or Rust in them have no file for it"
                .to_owned(),
        ),
    })
}

/// The pip of an environment, which asks nothing and keeps its cache.
fn pip(venv: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]);
    command
}

fn make_venv(python: &Path, folder: &Path, options: &[&str]) -> Result<(), AuthoringError> {
    let mut command = Command::new(python);
    // Its own words are of a package that Debian has left out; so are ours.
    command
        .args(["-m", "venv"])
        .args(options)
        .arg(folder)
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| AuthoringError::Start {
        program: python.to_path_buf(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(missing("the module venv of Python".to_owned()))
}

fn python(build: &Build<'_>) -> Result<PathBuf, AuthoringError> {
    let python = tools::find(build, "python3").ok_or_else(|| missing("Python".to_owned()))?;
    let version = tools::ask(&python, &["--version"]).unwrap_or_default();
    let mut parts = version
        .trim_start_matches("Python ")
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < PYTHON_MIN {
        return Err(missing(format!(
            "Python {}.{} or later ({version} is there)",
            PYTHON_MIN.0, PYTHON_MIN.1
        )));
    }
    Ok(python)
}

fn missing(tool: String) -> AuthoringError {
    AuthoringError::Tool {
        tool,
        purpose: "plugins in Python are built by it",
        install: "apt-get install --no-install-recommends python3 python3-venv".to_owned(),
    }
}

fn manifest(project: &Project) -> Result<Manifest, AuthoringError> {
    let wrong = |reason: String, advice: &str| project.wrong(MANIFEST, reason, advice);
    let path = project.folder().join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(AuthoringError::file("read", &path))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        wrong(
            format!("line {line}: {}", error.message()),
            "see https://packaging.python.org/en/latest/guides/writing-pyproject-toml/",
        )
    })?;
    let ours = table.get("tool").and_then(|tools| tools.get("autokestra"));
    let keys = ours
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(|keys| keys.keys());
    if let Some(key) = keys.into_iter().find(|key| !["module", "http"].contains(&key.as_str())) {
        return Err(wrong(
            format!("[tool.autokestra] has no key `{key}`"),
            "its keys are `module` and `http`",
        ));
    }
    let module = ours.and_then(|ours| ours.get("module")?.as_str()).unwrap_or("plugin");
    let is_word = |word: &str| {
        !word.starts_with(|first: char| first.is_ascii_digit())
            && !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    if !module.split('.').all(is_word) {
        return Err(wrong(
            format!("`{module}` is no name of a module"),
            "for example: module = \"plugin\"",
        ));
    }
    let http = match ours.and_then(|ours| ours.get("http")) {
        None => false,
        Some(toml::Value::Boolean(http)) => *http,
        Some(_) => {
            return Err(wrong(
                "`http` is neither true nor false".to_owned(),
                "write: http = true",
            ));
        }
    };
    let project = table.get("project");
    let version = project
        .and_then(|project| project.get("version")?.as_str())
        .unwrap_or("0.0.0");
    let dependencies = project.and_then(|project| project.get("dependencies")?.as_array());
    let dependencies = dependencies.into_iter().flatten().filter_map(toml::Value::as_str);
    // The sdk travels in the program.
    let foreign = dependencies.filter(|one| !one.replace('_', "-").starts_with(sdk::CRATE));
    Ok(Manifest {
        module: module.to_owned(),
        version: version.to_owned(),
        http,
        dependencies: foreign.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_componentize_py_says_is_told_by_the_authors_lines() {
        let said = "Traceback (most recent call last):\n  File \"/home/x/venv/bin/componentize-py\", line 8, in <module>\n    \
                    sys.exit(script())\nAssertionError: Traceback (most recent call last):\n  File \"/2/autokestra_main.py\", line 1, in \
                    <module>\n    import plugin as _\n  File \"/0/plugin.py\", line 28, in <module>\n    @action\n     ^^^^^^\n  File \
                    \"/1/autokestra_sdk/_action.py\", line 124, in make\n    return Action(function)\nTypeError: no type\n\n\nCaused by:\n    \
                    TypeError: no type\n";
        assert_eq!(
            told(said),
            "Traceback (most recent call last):\n  File \"src/plugin.py\", line 28, in <module>\n    @action\n     ^^^^^^\nTypeError: no \
             type"
        );
        assert_eq!(told("something else\n"), "something else");
    }
}
