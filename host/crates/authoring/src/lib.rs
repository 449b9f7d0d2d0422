//! Writes plugin projects and builds them: everything that is between an idea and the bytes of a component.
//!
//! Start reading at [`Language`]: one module per language has its template and its way to a component. The sandbox, which says
//! whether the bytes are a plugin, is not known here.

mod build;
mod c;
mod error;
mod folder;
mod home;
mod javascript;
mod kit;
mod language;
mod name;
mod project;
mod python;
mod rust;
mod sdk;
mod tools;

pub use build::Build;
pub use error::{AuthoringError, Wrong};
pub use folder::Folder;
pub use home::Home;
pub use language::Language;
pub use name::{NameError, ProjectName};
pub use project::{Project, Schemas};
