//! Where a program is: in a file below the workflow's folder, or among those that are installed.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use autokestra_model::Digest;

use super::kept::Stamp;
use super::{Kind, Program, kind_of};
use crate::compile::read_component;
use crate::error::LoadError;
use crate::sandbox::Sandbox;

/// Installed programs that an error names.
const NAMED_MAX: usize = 10;

/// Why a name is no file below a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// It is absolute, or has `..` in it.
    LeadsOut,
    /// It is a link, or stands behind one, that leads out of the folder.
    LinksOut,
    /// There is nothing.
    Missing,
}

/// The file of a path below `base`, every link followed. The path may come from data: it chooses among what lies there, and
/// nothing else.
///
/// # Errors
/// [`PlaceError`].
pub fn located(base: &Path, name: &str) -> Result<PathBuf, PlaceError> {
    let named = Path::new(name);
    if named
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(PlaceError::LeadsOut);
    }
    let path = base.join(named).canonicalize().map_err(|_| PlaceError::Missing)?;
    if base.canonicalize().is_ok_and(|base| path.starts_with(base)) {
        Ok(path)
    } else {
        Err(PlaceError::LinksOut)
    }
}

/// Why there is no program to run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Its path leads out of the workflow's folder.
    #[error("`{name}` leads out of the workflow's folder")]
    LeadsOut {
        /// What was asked for.
        name: String,
    },
    /// It is a link that leads out of the workflow's folder.
    #[error("`{name}` is a link that leads out of the workflow's folder")]
    LinksOut {
        /// What was asked for.
        name: String,
    },
    /// There is no such file.
    #[error("there is no file `{name}` in the workflow's folder")]
    Missing {
        /// What was asked for.
        name: String,
    },
    /// No program of this name is installed.
    #[error(
        "no program `{name}` is installed{known}; a file beside the workflow is named by its path, `./{name}.wasm`"
    )]
    NotInstalled {
        /// What was asked for.
        name: String,
        /// Those that are, in brackets.
        known: String,
    },
    /// Two folders have it.
    #[error("the program `{name}` is installed twice: in {} and in {}; remove one", first.display(), second.display())]
    Twice {
        /// What was asked for.
        name: String,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// It is there and cannot be used.
    #[error(transparent)]
    Unusable(#[from] LoadError),
}

/// Whether what a workflow calls a program is a path below its folder, and not the name of an installed one.
#[must_use]
pub fn names_file(program: &str) -> bool {
    program.contains('/') || program.ends_with(".wasm") || matches!(program, "" | "." | "..")
}

impl Sandbox {
    /// The program that a workflow in the folder `base` names: by a path below it, or as one that is installed. Loaded once
    /// for each content, as long as it is used.
    ///
    /// # Errors
    /// [`ProgramError`] where there is none, or it cannot be used.
    pub async fn program(&self, base: &Path, name: &str) -> Result<Arc<Program>, ProgramError> {
        let path = if names_file(name) {
            let owned = || name.to_owned();
            located(base, name).map_err(|error| match error {
                PlaceError::LeadsOut => ProgramError::LeadsOut { name: owned() },
                PlaceError::LinksOut => ProgramError::LinksOut { name: owned() },
                PlaceError::Missing => ProgramError::Missing { name: owned() },
            })?
        } else {
            self.installed_program(name)?
        };
        let program = self.program_at(&path, format!("`{name}`")).await?;
        if let Some(installed) = self.installed(name)
            && installed.digest != program.digest
        {
            return Err(ProgramError::Unusable(LoadError::Changed {
                name: name.to_owned(),
                path,
            }));
        }
        Ok(program)
    }

    /// The program of a file.
    ///
    /// # Errors
    /// [`LoadError`] where it is none, or cannot be used.
    pub async fn program_file(&self, path: &Path) -> Result<Arc<Program>, LoadError> {
        self.program_at(path, path.display().to_string()).await
    }

    async fn program_at(&self, path: &Path, origin: String) -> Result<Arc<Program>, LoadError> {
        let programs = &self.inner.programs;
        let stamp = Stamp::of(path);
        if let Some(known) = stamp.as_ref().and_then(|stamp| programs.of_path(path, stamp)) {
            return Ok(known);
        }
        let owned = path.to_path_buf();
        let file: Arc<[u8]> = blocking(&origin, move || Ok(read_component(&owned)?.into())).await?;
        let digest = Digest::of(&file);
        let load = || async {
            let (sandbox, from) = (self.clone(), origin.clone());
            let loaded = blocking(&origin, move || sandbox.load_program(&file, &from)).await?;
            Ok(Arc::new(loaded))
        };
        let program = programs.cell(digest).get_or_try_init(load).await.cloned()?;
        programs.note(path, stamp, digest);
        Ok(program)
    }

    /// The file of an installed program.
    fn installed_program(&self, name: &str) -> Result<PathBuf, ProgramError> {
        let stored = self.installed(name).map(|installed| installed.path.clone());
        let folders = self.inner.options.directories.iter();
        let files = folders
            .map(|folder| folder.join(format!("{name}.wasm")))
            .filter(|path| path.is_file());
        let mut found = stored.into_iter().chain(files);
        match (found.next(), found.next()) {
            (Some(path), None) => Ok(path),
            (Some(first), Some(second)) => Err(ProgramError::Twice {
                name: name.to_owned(),
                first,
                second,
            }),
            (None, _) => {
                let names = self.installed_programs();
                let named: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
                let known = if named.is_empty() {
                    String::new()
                } else {
                    format!(" (those that are: {})", named.join(", "))
                };
                Err(ProgramError::NotInstalled {
                    name: name.to_owned(),
                    known,
                })
            }
        }
    }

    /// The names of the programs in the folders of plugins: their files' names without the ending.
    #[must_use]
    pub fn installed_programs(&self) -> Vec<String> {
        let entries = self
            .inner
            .options
            .directories
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok());
        let paths = entries.flatten().filter_map(|entry| Some(entry.ok()?.path()));
        let mut names: Vec<String> = paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm") && is_program(path))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        let stored = self.inner.options.installed.iter();
        names.extend(
            stored
                .filter(|stored| !stored.name.contains('/'))
                .map(|stored| stored.name.clone()),
        );
        names.sort();
        names
    }
}

fn is_program(path: &Path) -> bool {
    let kind = read_component(path).ok().and_then(|bytes| kind_of(&bytes).ok());
    matches!(kind, Some(Kind::Program(_)))
}

/// Does work that takes its time where it holds up nobody. What panics there says so instead of taking the engine along.
async fn blocking<T: Send + 'static>(
    origin: &str,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, origin, "loading a program ended by a bug of the engine");
        Err(LoadError::NotAProgram {
            origin: origin.to_owned(),
            reason: "loading it ended by a bug of the engine; run with -v and report it".to_owned(),
        })
    })
}
