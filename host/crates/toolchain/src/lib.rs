//! Finds a toolchain for `wasm32-wasip2` and builds components with it. No wasmtime here, so build scripts can use it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that plugins are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Debian's own compiler, its library source, and the C library of WASI: what `rustc-web`, `rust-web-src` and `wasi-libc` install.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_WASI: &str = "/usr/lib/wasm32-wasi";

/// Variables of an outer cargo that must not reach an inner one.
const FOREIGN_VARIABLES: &[&str] = &[
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTC",
    "RUSTDOC",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "CARGO_PROFILE_RELEASE_PANIC",
];

/// Why there is no toolchain.
#[derive(Debug, thiserror::Error)]
#[error(
    "no toolchain for {TARGET}: run `rustup target add {TARGET}`, or on Debian \
     `apt-get install --no-install-recommends rustc-web rust-web-src wasi-libc`"
)]
pub struct ToolchainError;

/// Why a component was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// cargo could not be started.
    #[error("start cargo for {}", manifest.display())]
    Start {
        /// The crate's manifest.
        manifest: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The compiler refused the code. The text is its own.
    #[error("build {}:\n{output}", manifest.display())]
    Compile {
        /// The crate's manifest.
        manifest: PathBuf,
        /// What cargo printed to stderr.
        output: String,
    },
    /// A program of crates.io was not built. The text is cargo's own.
    #[error("build `{name}` {version} of crates.io:\n{output}")]
    Install {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
        /// What cargo printed to stderr.
        output: String,
    },
    /// cargo succeeded, and the component is not where it should be.
    #[error("{} is missing after its build", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
}

/// What to build, and where to.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The crate's folder.
    pub manifest_dir: PathBuf,
    /// The target folder; plugins share one, so that the standard library is built once.
    pub target_dir: PathBuf,
}

impl BuildOptions {
    /// Builds the crate in `manifest_dir` into `target_dir`.
    #[must_use]
    pub fn new(manifest_dir: impl Into<PathBuf>, target_dir: impl Into<PathBuf>) -> Self {
        Self {
            manifest_dir: manifest_dir.into(),
            target_dir: target_dir.into(),
        }
    }
}

/// A program of crates.io that is to be built as it is.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// The crate, whose binary has the same name.
    pub name: String,
    /// Its version, and no other. Its own lock file says what it is built with.
    pub version: String,
    /// The folder that it is put into.
    pub root: PathBuf,
    /// The target folder.
    pub target_dir: PathBuf,
}

/// A way to build components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// rustup's compiler has the target.
    Rustup,
    /// Debian's compiler builds the standard library from source, with the linker of rustup's.
    Debian {
        /// The folder of `rust-lld` and `wasm-component-ld`.
        linkers: PathBuf,
    },
}

impl Toolchain {
    /// Looks for a toolchain: rustup's target first, then Debian's packages.
    ///
    /// # Errors
    /// [`ToolchainError`], which says what to install.
    pub fn find() -> Result<Self, ToolchainError> {
        let libraries = rustc(&["--print", "target-libdir", "--target", TARGET]);
        if libraries.is_some_and(|folder| folder.is_dir()) {
            return Ok(Self::Rustup);
        }
        let host = rustc(&["--print", "target-libdir"]).and_then(|folder| Some(folder.parent()?.join("bin")));
        let linkers = host
            .filter(|folder| folder.join("wasm-component-ld").is_file())
            .ok_or(ToolchainError)?;
        if Path::new(DEBIAN_RUSTC).is_file() && Path::new(DEBIAN_WASI).is_dir() {
            Ok(Self::Debian { linkers })
        } else {
            Err(ToolchainError)
        }
    }

    /// Builds a crate in release, with its lock file, and returns the path of its component.
    ///
    /// # Errors
    /// [`BuildError`] with the compiler's own words.
    pub fn build(&self, options: &BuildOptions) -> Result<PathBuf, BuildError> {
        let manifest = options.manifest_dir.join("Cargo.toml");
        let start = |source| BuildError::Start {
            manifest: manifest.clone(),
            source,
        };
        let mut command = self.cargo("build", &options.target_dir);
        command
            .args(["--locked", "--quiet", "--release", "--manifest-path"])
            .arg(&manifest);
        let output = command.output().map_err(start)?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BuildError::Compile { manifest, output });
        }
        let name = package_name(&manifest).map_err(start)?;
        let file = format!("{}.wasm", name.replace('-', "_"));
        let path = options.target_dir.join(TARGET).join("release").join(file);
        if path.is_file() {
            Ok(path)
        } else {
            Err(BuildError::Missing { path })
        }
    }

    /// Builds a program of crates.io, unless it is there, and returns the path of its component.
    ///
    /// # Errors
    /// [`BuildError`] with cargo's own words.
    pub fn install(&self, options: &InstallOptions) -> Result<PathBuf, BuildError> {
        let InstallOptions { name, version, .. } = options;
        let root = options.root.join(format!("{name}-{version}"));
        let path = root.join("bin").join(format!("{name}.wasm"));
        let failed = |output: String| BuildError::Install {
            name: name.clone(),
            version: version.clone(),
            output,
        };
        // cargo itself does not keep two that install the same out of each other's way.
        let lock = std::fs::create_dir_all(&root).and_then(|()| File::create(root.join("lock")));
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock));
        let lock = lock.map_err(|error| failed(error.to_string()))?;
        if path.is_file() {
            return Ok(path);
        }
        let mut command = self.cargo("install", &options.target_dir);
        command
            .args(["--locked", "--quiet", "--root"])
            .arg(&root)
            .arg("--version")
            .arg(format!("={version}"))
            .arg(name);
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        drop(lock);
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        if path.is_file() {
            Ok(path)
        } else {
            Err(BuildError::Missing { path })
        }
    }

    /// A subcommand of cargo for the target, with nothing of an outer cargo.
    #[must_use]
    pub fn cargo(&self, subcommand: &str, target_dir: &Path) -> Command {
        let mut command = Command::new("cargo");
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        command.args([subcommand, "--target", TARGET]);
        command.env("CARGO_TARGET_DIR", target_dir);
        if let Self::Debian { linkers } = self {
            let mut path = OsString::from(linkers);
            if let Some(rest) = std::env::var_os("PATH") {
                path.push(":");
                path.push(rest);
            }
            command.args(["-Z", "build-std=std,panic_abort"]);
            command
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("PATH", path);
            command.env("RUSTFLAGS", format!("-L native={DEBIAN_WASI}"));
        }
        command
    }
}

/// What rustup's compiler prints, as a path.
fn rustc(arguments: &[&str]) -> Option<PathBuf> {
    let mut command = Command::new("rustc");
    for name in FOREIGN_VARIABLES {
        command.env_remove(name);
    }
    let output = command.args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// The `name` of a manifest: the first one, which is the package's.
fn package_name(manifest: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(manifest)?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned)
        .ok_or_else(|| std::io::Error::other("the manifest names no package"))
}
