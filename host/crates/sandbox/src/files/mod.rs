//! The files of one attempt: every path is held against the mounts before the system sees it, so a denial has a name.

mod hidden;
mod host;
mod mount;
mod open;
mod quota;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, FsPerms, OpenMode, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{DynOutputStream, FsResult};

use crate::attempt::Capability;
use crate::denial::Denials;

use hidden::Hidden;
use mount::{Access, joined};
pub(crate) use mount::{Mount, Opened};
use quota::{Counted, Quota};

/// Open files and folders of one attempt, beside its mounts.
pub(crate) const OPEN_MAX: usize = 64;

/// The files of one attempt.
pub(crate) struct Files {
    mounts: Vec<Mount>,
    /// What no grant opens.
    hidden: Hidden,
    /// The folder that relative grants start at.
    base: PathBuf,
    denials: Denials,
    /// The folders of the mounts, opened once: a guest that may write could put a link in the place of one.
    folders: HashMap<usize, Dir>,
    /// What each handle of the guest stands for, by its number in the table.
    handles: HashMap<u32, Handle>,
    /// The folders of the host that are being listed and may have hidden files, by the number of the stream.
    listed: HashMap<u32, PathBuf>,
    /// Handles that the guest opened itself.
    open: usize,
    /// What it may still write into folders of the engine's own.
    quota: Quota,
    /// It wanted more of them than it may have.
    pub(crate) refused: bool,
}

/// What a handle stands for.
#[derive(Clone, Debug)]
struct Handle {
    /// None: the root that nothing is in, by which denials are seen.
    mount: Option<usize>,
    /// The path as the guest knows it.
    path: String,
    opened: bool,
}

/// The files together with the machinery of `wasmtime-wasi`, for one call.
pub(crate) struct FilesView<'a> {
    pub(crate) files: &'a mut Files,
    pub(crate) wasi: WasiFilesystemCtxView<'a>,
}

/// How `wasi:filesystem` finds its data.
pub(crate) struct GuardedFiles;

impl HasData for GuardedFiles {
    type Data<'a> = FilesView<'a>;
}

impl Files {
    pub(crate) fn new(mounts: Vec<Mount>, base: PathBuf, denials: Denials) -> Self {
        Self {
            mounts,
            hidden: Hidden::default(),
            base,
            denials,
            folders: HashMap::new(),
            handles: HashMap::new(),
            listed: HashMap::new(),
            open: 0,
            quota: Quota::default(),
            refused: false,
        }
    }

    /// Whether it wanted to write more into folders of the engine's own than it may.
    pub(crate) fn over_quota(&self) -> bool {
        self.quota.is_spent()
    }

    /// The quota of a handle, where it is below a folder of the engine's own.
    fn quota_of(&self, fd: u32) -> Option<&Quota> {
        let mount = self.handles.get(&fd)?.mount?;
        let mount = self.mounts.get(mount)?;
        (mount.handle.is_none() && mount.opened.is_none()).then_some(&self.quota)
    }

    /// Keeps files of the host out of every mount.
    pub(crate) fn hiding(mut self, paths: &[PathBuf]) -> Self {
        self.hidden = Hidden::below(&self.mounts, paths);
        self
    }

    /// Whether `path` below a handle may be used so; a denial is told. Gives the path as the guest knows it.
    async fn ask(&self, fd: &Resource<Descriptor>, path: &str, access: Access) -> Result<String, ErrorCode> {
        let Some(handle) = self.handles.get(&fd.rep()) else {
            return Err(ErrorCode::BadDescriptor);
        };
        let full = joined(&handle.path, path);
        let mount = handle.mount.and_then(|index| self.mounts.get(index));
        match mount.filter(|mount| mount.allows(&full, access)) {
            Some(mount) if !self.hidden.is_empty() && self.hidden.names(&mount.on_host(&full)) => {
                self.deny_hidden(&full).await;
            }
            Some(_) => return Ok(full),
            None => self.deny(mount, &full, access).await,
        }
        Err(ErrorCode::NotPermitted)
    }

    /// The folder of the host behind a handle, where its list may have hidden files to leave out.
    fn folder_with_hidden(&self, fd: &Resource<Descriptor>) -> Option<PathBuf> {
        let handle = self.handles.get(&fd.rep()).filter(|_| !self.hidden.is_empty())?;
        let mount = self.mounts.get(handle.mount?)?;
        Some(mount.on_host(&handle.path))
    }

    /// Whether `path` below a handle may be moved; a denial is told.
    async fn ask_move(&self, fd: &Resource<Descriptor>, path: &str) -> Result<(), ErrorCode> {
        let full = self.ask(fd, path, Access::Write).await?;
        let mount = self.handles.get(&fd.rep()).and_then(|handle| handle.mount);
        let mount = mount.and_then(|index| self.mounts.get(index));
        if mount.is_some_and(|mount| self.hidden.holds(&mount.on_host(&full))) {
            self.deny_hidden(&full).await;
            return Err(ErrorCode::NotPermitted);
        }
        Ok(())
    }

    async fn deny_hidden(&self, path: &str) {
        let message = format!("`{path}` holds keys or secrets of the engine's own, which no grant opens");
        self.denials.tell(Capability::Filesystem, path, &message, "").await;
    }

    /// Whether a handle itself may be used so.
    async fn ask_handle(&self, fd: &Resource<Descriptor>, access: Access) -> Result<(), ErrorCode> {
        self.ask(fd, "", access).await.map(drop)
    }

    async fn deny(&self, mount: Option<&Mount>, path: &str, access: Access) {
        let (verb, key) = match access {
            Access::Read => ("reading", "read"),
            Access::Write => ("writing", "write"),
        };
        // What writes makes files beside the one that it is asked for, so a folder is what it needs.
        let wanted = match access {
            Access::Read => path,
            Access::Write => path.rsplit_once('/').map_or(path, |(folder, _)| folder),
        };
        let entry = mount.and_then(|mount| mount.written(wanted));
        let entry = entry.unwrap_or_else(|| self.suggested(wanted));
        let message = format!("{verb} `{path}` is not granted");
        let yaml = format!("permissions:\n  filesystem: {{ {key}: [\"{entry}\"] }}");
        let told = self.denials.tell(Capability::Filesystem, path, &message, &yaml);
        told.await;
    }

    /// What a person would write to grant a path of the guest: relative to the workflow file, unless it is there only as it is.
    fn suggested(&self, path: &str) -> String {
        let relative = path.trim_start_matches('/');
        if relative.is_empty() {
            return ".".to_owned();
        }
        let first = relative.split('/').next().unwrap_or(relative);
        let absolute = PathBuf::from("/").join(first).exists() && !self.base.join(first).exists();
        if absolute {
            path.to_owned()
        } else {
            format!("./{relative}")
        }
    }

    /// Whether a link may be made below a handle. Among granted files it could stand for another file of their folder.
    async fn ask_link(&self, fd: &Resource<Descriptor>, path: &str) -> Result<(), ErrorCode> {
        let mount = self.handles.get(&fd.rep()).and_then(|handle| handle.mount);
        if mount
            .and_then(|index| self.mounts.get(index))
            .is_some_and(|mount| mount.only.is_some())
        {
            return Err(ErrorCode::NotPermitted);
        }
        self.ask(fd, path, Access::Write).await.map(drop)
    }
}

/// Opens the folder of a mount.
fn folder(mount: &Mount) -> io::Result<Dir> {
    let mode = match mount.perms {
        FsPerms::ReadOnly => OpenMode::READ,
        FsPerms::ReadWrite => OpenMode::READ | OpenMode::WRITE,
    };
    Ok(Dir::new(mount.open()?, mount.perms, mode, false))
}

impl FilesView<'_> {
    /// Hands the guest its mounts, and a root where there is none: without one, the guest's own library would refuse a
    /// path that is not granted, and nobody would hear of it.
    fn preopen(&mut self) -> io::Result<Vec<(Descriptor, Handle)>> {
        let mut found = Vec::new();
        for (index, mount) in self.files.mounts.iter().enumerate() {
            let folder = match self.files.folders.entry(index) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => new.insert(folder(mount)?).clone(),
            };
            let handle = Handle {
                mount: Some(index),
                path: mount.guest.clone(),
                opened: false,
            };
            found.push((Descriptor::Dir(folder), handle));
        }
        if self.files.mounts.iter().all(|mount| mount.guest != "/") {
            // No folder at all: even a path that came past the guard could not be opened below it.
            let nothing = Dir::new(File::open("/dev/null")?, FsPerms::ReadOnly, OpenMode::READ, false);
            let handle = Handle {
                mount: None,
                path: "/".to_owned(),
                opened: false,
            };
            found.push((Descriptor::Dir(nothing), handle));
        }
        Ok(found)
    }

    /// Puts a file's stream under the quota of its handle.
    fn counted(&mut self, fd: u32, stream: Resource<DynOutputStream>) -> FsResult<Resource<DynOutputStream>> {
        let Some(quota) = self.files.quota_of(fd).cloned() else {
            return Ok(stream);
        };
        let inner = self.wasi.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, quota));
        Ok(self.wasi.table.push(counted)?)
    }

    /// Takes `bytes` from the quota of a handle.
    fn take(&mut self, fd: u32, bytes: u64) -> Result<(), ErrorCode> {
        match self.files.quota_of(fd) {
            Some(quota) if !quota.take(bytes) => Err(ErrorCode::Quota),
            _ => Ok(()),
        }
    }

    /// Takes note of what was opened below a handle, and gives the guest a handle to it.
    fn opened(&mut self, below: u32, path: String, opened: Descriptor) -> FsResult<Resource<Descriptor>> {
        let fd = self.wasi.table.push(opened)?;
        let handle = Handle {
            mount: self.files.handles.get(&below).and_then(|parent| parent.mount),
            path,
            opened: true,
        };
        self.files.handles.insert(fd.rep(), handle);
        self.files.open += 1;
        Ok(fd)
    }

    fn closed(&mut self, number: u32) {
        if self.files.handles.remove(&number).is_some_and(|handle| handle.opened) {
            self.files.open = self.files.open.saturating_sub(1);
        }
    }

    /// Whether one more may be opened.
    fn has_room(&mut self) -> Result<(), ErrorCode> {
        if self.files.open < OPEN_MAX {
            return Ok(());
        }
        self.files.refused = true;
        Err(ErrorCode::Quota)
    }
}
