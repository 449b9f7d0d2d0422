//! A project: the folder that a plugin is written in.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::build::Build;
use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::language::Language;
use crate::name::ProjectName;
use crate::sdk;

/// A file of a template. Words between `@` in its text are replaced.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is put.
    pub(crate) path: &'static str,
    /// What is in it.
    pub(crate) text: &'static str,
}

/// Makes a `File` of one in `templates`.
macro_rules! file {
    ($path:literal, $template:literal) => {
        $crate::project::File {
            path: $path,
            text: include_str!(concat!("../templates/", $template)),
        }
    };
}
pub(crate) use file;

/// What projects of all languages have. The action is the same in all, so one case and one workflow fit them all.
const COMMON: &[File] = &[
    file!("README.md", "common/README.md"),
    file!("config.yaml", "common/config.yaml"),
    file!("example.yaml", "common/example.yaml"),
    file!("tests/greet.yaml", "common/greet.yaml"),
    // The folder is there from the start, so that `config.yaml` can name it; what is built stays out of repositories.
    file!("dist/.gitignore", "common/dist-gitignore"),
];

/// The folder of components in a project.
const DIST: &str = "dist";

/// What editors hold YAML files against.
#[derive(Clone, Copy, Debug)]
pub struct Schemas<'a> {
    /// The JSON Schema of workflows.
    pub workflow: &'a str,
}

/// A project, found or just written.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
    language: Language,
}

impl Project {
    /// The project in a folder.
    ///
    /// # Errors
    /// [`AuthoringError::NoFolder`] where there is none, [`AuthoringError::NoProject`] where it has no file that a language knows
    /// its projects by.
    pub fn find(folder: &Path) -> Result<Self, AuthoringError> {
        if !folder.is_dir() {
            return Err(AuthoringError::NoFolder {
                folder: folder.to_path_buf(),
            });
        }
        let language = Language::of(folder).ok_or_else(|| AuthoringError::NoProject {
            folder: folder.to_path_buf(),
            markers: Language::ALL.map(Language::marker).join(", "),
        })?;
        Ok(Self {
            folder: folder.to_path_buf(),
            language,
        })
    }

    /// Writes a new project into a folder of its name in `parent`: whole or not at all, and over nothing.
    ///
    /// # Errors
    /// [`AuthoringError::Occupied`] where something is there that is no empty folder.
    pub fn create(
        parent: &Path,
        name: &ProjectName,
        language: Language,
        schemas: Schemas<'_>,
    ) -> Result<Self, AuthoringError> {
        let folder = parent.join(name.plugin());
        let occupied = || AuthoringError::Occupied { path: folder.clone() };
        // A link is refused too: it may lead anywhere.
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if !metadata.is_dir() => return Err(occupied()),
            Ok(_)
                if fs::read_dir(&folder)
                    .map_err(AuthoringError::file("read", &folder))?
                    .next()
                    .is_some() =>
            {
                return Err(occupied());
            }
            Ok(_) | Err(_) => {}
        }
        let draft = parent.join(format!(".{}.{}.draft", name.plugin(), std::process::id()));
        fs::create_dir(&draft).map_err(AuthoringError::file("create", &draft))?;
        let written = write_all(&draft, name, language, schemas).and_then(|()| {
            // It replaces an empty folder and nothing else, should something have come into being meanwhile.
            fs::rename(&draft, &folder).map_err(|error| match error.kind() {
                ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => occupied(),
                _ => AuthoringError::file("create", &folder)(error),
            })
        });
        if written.is_err() {
            drop(fs::remove_dir_all(&draft));
        }
        written.map(|()| Self { folder, language })
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is written in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Makes it ready for editors on this machine.
    ///
    /// # Errors
    /// [`AuthoringError`] where something cannot be written.
    pub fn prepare(&self, build: &Build<'_>) -> Result<(), AuthoringError> {
        self.language.prepare(self, build)
    }

    /// Builds its component. Nothing of the project changes but what is for this machine alone.
    ///
    /// # Errors
    /// [`AuthoringError`]: a tool is missing, or it refuses the project.
    pub fn build(&self, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
        self.prepare(build)?;
        self.language.build(self, build)
    }

    /// Puts a component to where `config.yaml` looks for it, at once and whole, and says where that is. `plugin` is a name
    /// without a `/`.
    ///
    /// # Errors
    /// [`AuthoringError::Link`] where the folder is a link.
    pub fn put(&self, plugin: &str, component: &[u8]) -> Result<PathBuf, AuthoringError> {
        let dist = Folder::open(&self.folder)?.inner(DIST)?;
        let name = format!("{plugin}.wasm");
        dist.put(&name, component)?;
        Ok(dist.path().join(name))
    }

    /// An error of the project itself.
    pub(crate) fn wrong(&self, file: &str, reason: impl Into<String>, advice: impl Into<String>) -> AuthoringError {
        AuthoringError::Project {
            file: self.folder.join(file),
            reason: reason.into(),
            advice: advice.into(),
        }
    }
}

fn write_all(
    folder: &Path,
    name: &ProjectName,
    language: Language,
    schemas: Schemas<'_>,
) -> Result<(), AuthoringError> {
    for file in COMMON.iter().chain(language.files()) {
        write(folder, file.path, &filled(file.text, name, language))?;
    }
    write(folder, ".vscode/workflow.schema.json", schemas.workflow)
}

fn write(folder: &Path, path: &str, text: &str) -> Result<(), AuthoringError> {
    let path = folder.join(path);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(AuthoringError::file("create", parent))?;
    fs::write(&path, text).map_err(AuthoringError::file("write", &path))
}

/// A template with its words replaced.
fn filled(text: &str, name: &ProjectName, language: Language) -> String {
    let words = [
        ("@notes@", language.notes()),
        ("@plugin@", &name.to_string()),
        ("@name@", name.plugin()),
        ("@package@", &name.package()),
        ("@sdk@", sdk::VERSION),
    ];
    words
        .iter()
        .fold(text.to_owned(), |text, (word, with)| text.replace(word, with))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn create(parent: &Path, name: &str, language: Language) -> Result<Project, AuthoringError> {
        Project::create(parent, &name.parse()?, language, Schemas { workflow: "{}" })
    }

    #[test]
    fn no_word_of_a_template_is_left() {
        for language in Language::ALL {
            let place = tempfile::tempdir().expect("a folder");
            let project = create(place.path(), "acme/hello", language).expect("written");
            assert_eq!(Project::find(project.folder()).expect("found").language(), language);
            let mut open = vec![project.folder().to_path_buf()];
            while let Some(path) = open.pop() {
                if path.is_dir() {
                    open.extend(
                        fs::read_dir(&path)
                            .expect("read")
                            .map(|entry| entry.expect("an entry").path()),
                    );
                    continue;
                }
                let text = fs::read_to_string(&path).expect("text");
                for word in ["@notes@", "@plugin@", "@name@", "@package@", "@sdk@"] {
                    assert!(!text.contains(word), "{} has {word}", path.display());
                }
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let place = tempfile::tempdir().expect("a folder");
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("full")).expect("made");
        fs::write(path("full/notes.txt"), "mine").expect("written");
        fs::write(path("file"), "mine").expect("written");
        fs::create_dir(path("empty")).expect("made");
        symlink(path("empty"), path("link")).expect("linked");
        symlink(path("nowhere"), path("dangling")).expect("linked");
        for name in ["full", "file", "link", "dangling"] {
            let error = create(place.path(), name, Language::Rust).expect_err(name);
            assert!(matches!(error, AuthoringError::Occupied { .. }), "{name}: {error}");
        }
        assert_eq!(fs::read_dir(path("empty")).expect("read").count(), 0);
        assert!(create(place.path(), "empty", Language::Rust).is_ok());
        let left = fs::read_dir(place.path())
            .expect("read")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        assert!(left.into_iter().all(|name| !name.starts_with('.')), "a draft stayed");
    }

    #[test]
    fn components_land_in_the_project_alone() {
        let place = tempfile::tempdir().expect("a folder");
        let project = create(place.path(), "hello", Language::C).expect("written");
        let dist = project.folder().join("dist");
        // A link of the component's name is replaced.
        let victim = place.path().join("victim");
        fs::write(&victim, "mine").expect("written");
        symlink(&victim, dist.join("hello.wasm")).expect("linked");
        let put = project.put("hello", b"new").expect("put");
        assert_eq!(fs::read(&put).expect("there"), b"new");
        assert!(fs::symlink_metadata(&put).expect("there").is_file());
        assert_eq!(fs::read(&victim).expect("there"), b"mine");
        // A folder that is a link is refused.
        fs::remove_dir_all(&dist).expect("removed");
        symlink(place.path(), &dist).expect("linked");
        let error = project.put("hello", b"new").expect_err("a link");
        assert!(matches!(error, AuthoringError::Link { .. }), "{error}");
        assert!(!place.path().join("hello.wasm").exists());
    }
}
