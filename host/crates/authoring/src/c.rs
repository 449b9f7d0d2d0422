//! C: clang, the C library of WASI, and bindings that a project carries along. The sandbox's own tools make it a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::build::Build;
use crate::error::AuthoringError;
use crate::project::{File, Project, file};
use crate::tools;

pub(crate) const FILES: &[File] = &[
    file!("plugin.c", "c/plugin.c"),
    file!("json.h", "c/json.h"),
    file!("json.c", "c/json.c"),
    file!("bindings/guest.c", "c/bindings/guest.c"),
    file!("bindings/guest_component_type.c", "c/bindings/guest_component_type.c"),
    file!("bindings/guest.h", "c/bindings/guest.h"),
    file!("bindings/guest.wit", "c/bindings/guest.wit"),
    file!(".gitignore", "c/gitignore"),
    file!("compile_flags.txt", "c/compile_flags.txt"),
    file!(".vscode/settings.json", "c/settings.json"),
    file!(".vscode/extensions.json", "c/extensions.json"),
];

/// What a README says of the language.
pub(crate) const NOTES: &str = include_str!("../templates/c/notes.md");

/// The contract that a project's bindings were made from.
const CONTRACT: &str = "bindings/guest.wit";

/// The folders of a project whose C is compiled.
const SOURCES: &[&str] = &[".", "bindings"];

/// Where Debian's `wasi-libc` puts its headers.
const DEBIAN_HEADERS: &str = "/usr/include/wasm32-wasi";

/// A compiler, and where its C library is.
struct Compiler {
    clang: PathBuf,
    target: &'static str,
    sysroot: PathBuf,
}

pub(crate) fn build(project: &Project, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
    let compiler = Compiler::find(build)?;
    let module = build
        .home()?
        .folder("modules")?
        .join(format!("{}.wasm", std::process::id()));
    let bytes = compile(&compiler, project, build, &module);
    // What is left of it is in nobody's way.
    drop(fs::remove_file(&module));
    componentize(bytes?, project)
}

impl Compiler {
    /// The one of `WASI_SDK_PATH`, else clang with Debian's packages.
    fn find(build: &Build<'_>) -> Result<Self, AuthoringError> {
        if let Some(sdk) = (build.variable)("WASI_SDK_PATH").map(PathBuf::from) {
            return Ok(Self {
                clang: sdk.join("bin/clang"),
                target: "wasm32-wasip1",
                sysroot: sdk.join("share/wasi-sysroot"),
            });
        }
        let clang = tools::find(build, "clang");
        let mut missing = Vec::new();
        let mut packages = Vec::new();
        let mut want = |is_there: bool, what: &'static str, package: String| {
            if !is_there {
                missing.push(what);
                packages.push(package);
            }
        };
        want(clang.is_some(), "clang", "clang".to_owned());
        want(tools::find(build, "wasm-ld").is_some(), "wasm-ld", "lld".to_owned());
        want(
            Path::new(DEBIAN_HEADERS).is_dir(),
            "WASI's C library",
            "wasi-libc".to_owned(),
        );
        let asked = |arguments: &[&str]| tools::ask(clang.as_deref()?, arguments);
        let builtins = asked(&["--target=wasm32-wasi", "--rtlib=compiler-rt", "-print-libgcc-file-name"]);
        let version = asked(&["-dumpversion"]).and_then(|version| Some(format!("-{}", version.split('.').next()?)));
        let package = format!("libclang-rt{}-dev-wasm32", version.unwrap_or_default());
        want(
            builtins.is_some_and(|file| Path::new(&file).is_file()),
            "clang's own functions for wasm32",
            package,
        );
        match clang {
            Some(clang) if missing.is_empty() => Ok(Self {
                clang,
                target: "wasm32-wasi",
                sysroot: PathBuf::from("/usr"),
            }),
            Some(_) | None => Err(AuthoringError::Tool {
                tool: missing.join(", "),
                purpose: "plugins in C are built with it",
                install: format!(
                    "apt-get install --no-install-recommends {}\nor unpack https://github.com/WebAssembly/wasi-sdk/releases and set WASI_SDK_PATH \
                     to its folder",
                    packages.join(" ")
                ),
            }),
        }
    }
}

/// Compiles and links the project to a module of WASI preview 1.
fn compile(
    compiler: &Compiler,
    project: &Project,
    build: &Build<'_>,
    module: &Path,
) -> Result<Vec<u8>, AuthoringError> {
    let mut command = Command::new(&compiler.clang);
    // Names begin with `./`, so that none is taken for an option.
    command.current_dir(project.folder()).args(sources(project.folder())?);
    command
        .arg(format!("--target={}", compiler.target))
        .arg("--sysroot")
        .arg(&compiler.sysroot);
    command.args([
        "-mexec-model=reactor",
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Ibindings",
    ]);
    // A stack that grows too far traps, and writes over nothing.
    command.args(["-Wl,--stack-first", "-Wl,--strip-all", "-Wl,-z,stack-size=262144"]);
    command.arg(if build.colored {
        "-fcolor-diagnostics"
    } else {
        "-fno-color-diagnostics"
    });
    command.arg("-o").arg(module);
    if !tools::run(&mut command)?.status.success() {
        return Err(AuthoringError::Refused {
            tool: "clang",
            project: project.folder().to_path_buf(),
            advice: None,
        });
    }
    fs::read(module).map_err(AuthoringError::file("read", module))
}

/// The C files of a project, as the compiler is told of them in its folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, AuthoringError> {
    let mut found = Vec::new();
    for source in SOURCES {
        let path = folder.join(source);
        if !path.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&path).map_err(AuthoringError::file("read", &path))? {
            let entry = entry.map_err(AuthoringError::file("read", &path))?;
            if entry.path().extension().is_some_and(|end| end == "c") && entry.path().is_file() {
                found.push(Path::new(".").join(source).join(entry.file_name()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a module a component of the contract that its bindings were made from.
fn componentize(mut module: Vec<u8>, project: &Project) -> Result<Vec<u8>, AuthoringError> {
    let path = project.folder().join(CONTRACT);
    let contract = fs::read_to_string(&path).map_err(AuthoringError::file("read", &path))?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_source(CONTRACT, &contract)
        .and_then(|package| resolve.select_world(&[package], None));
    let world =
        world.map_err(|error| project.wrong(CONTRACT, format!("{error:#}"), "take the file of a new project"))?;
    let mut encode = || {
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        let adapter = (
            WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        );
        ComponentEncoder::default()
            .validate(true)
            .module(&module)?
            .adapter(adapter.0, adapter.1)?
            .encode()
    };
    encode().map_err(|error| {
        project.wrong(
            "plugin.c",
            format!("it was compiled, and cannot be made a component: {error:#}"),
            "a plugin defines the functions that `bindings/guest.h` declares under \"exported\"",
        )
    })
}
