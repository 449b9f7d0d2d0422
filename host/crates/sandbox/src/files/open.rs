//! Opening what a guest names: below its folder, without waiting for the other end of a pipe, and without emptying a file before it is
//! known which one it is.

use std::fs::File;
use std::io;
use std::sync::Arc;

use cap_primitives::fs::{FollowSymlinks, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{AtFlags, FileType, OFlags};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File as GuestFile, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

use super::hidden::Hidden;

/// Why something was not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is one of the engine's own files.
    Hidden,
    Code(ErrorCode),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Code(error.into())
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

/// What a guest asks of one opening.
#[derive(Debug)]
pub(super) struct Opening {
    path: String,
    follow: bool,
    flags: OpenFlags,
    mode: OpenMode,
}

impl Opening {
    pub(super) fn new(
        path: String,
        follow: PathFlags,
        flags: OpenFlags,
        access: DescriptorFlags,
    ) -> Result<Self, ErrorCode> {
        let sync = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if access.intersects(sync) {
            return Err(ErrorCode::Unsupported);
        }
        let makes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if flags.contains(OpenFlags::DIRECTORY) && flags.intersects(makes) {
            return Err(ErrorCode::Invalid);
        }
        let mut mode = OpenMode::empty();
        if access.contains(DescriptorFlags::WRITE) || flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) {
            mode |= OpenMode::WRITE;
        }
        // The system opens nothing for neither; what may be done with it is asked again at each call.
        if access.contains(DescriptorFlags::READ) || !access.contains(DescriptorFlags::WRITE) {
            mode |= OpenMode::READ;
        }
        let follow = follow.contains(PathFlags::SYMLINK_FOLLOW);
        Ok(Self {
            path,
            follow,
            flags,
            mode,
        })
    }

    /// Opens it below a folder.
    ///
    /// Reading is opened here and now: another thread would cost ten times what the calls themselves do. What makes or empties a file can
    /// take the system long, and has a thread of its own.
    pub(super) async fn below(self, folder: &Dir, hidden: &Hidden) -> Result<Descriptor, Refusal> {
        let writes = self.mode.contains(OpenMode::WRITE);
        if writes && folder.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let (perms, mode) = (folder.perms, self.mode);
        let (file, is_dir) = if writes {
            let (folder, hidden) = (Arc::clone(&folder.dir), hidden.clone());
            let opened = tokio::task::spawn_blocking(move || self.open(&folder, &hidden));
            opened.await.map_err(io::Error::other)??
        } else {
            self.open(&folder.dir, hidden)?
        };
        Ok(if is_dir {
            Descriptor::Dir(Dir::new(file, perms, mode, false))
        } else {
            Descriptor::File(GuestFile::new(file, perms, mode, false))
        })
    }

    /// The open file, and whether it is a folder.
    fn open(&self, folder: &File, hidden: &Hidden) -> Result<(File, bool), Refusal> {
        self.look(folder)?;
        let file = cap_primitives::fs::open(folder, self.path.as_ref(), &self.options())?;
        let found = file.metadata()?;
        // It may be another than the one looked at: names change.
        let is_dir = found.is_dir();
        if !is_dir && !found.is_file() {
            return Err(ErrorCode::NotPermitted.into());
        }
        if hidden.is(&found) {
            return Err(Refusal::Hidden);
        }
        if self.flags.contains(OpenFlags::DIRECTORY) && !is_dir {
            return Err(ErrorCode::NotDirectory.into());
        }
        if self.flags.contains(OpenFlags::TRUNCATE) && found.len() > 0 {
            file.set_len(0)?;
        }
        Ok((file, is_dir))
    }

    /// Whether what stands there may be opened: a file or a folder, or nothing yet. To open a device is to do something to it.
    fn look(&self, folder: &File) -> Result<(), ErrorCode> {
        let follow = if self.follow {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        };
        // Whatever it says of a place outside, which the opening itself refuses, is not told.
        match rustix::fs::statat(folder, &self.path, follow).map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(
                FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown,
            ) => Err(ErrorCode::NotPermitted),
            // What cannot be looked at cannot be opened either, and the system says why.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        let follow = if self.follow {
            FollowSymlinks::Yes
        } else {
            FollowSymlinks::No
        };
        options
            .read(self.mode.contains(OpenMode::READ))
            .write(self.mode.contains(OpenMode::WRITE))
            .create(self.flags.contains(OpenFlags::CREATE))
            .create_new(self.flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE))
            ._cap_fs_ext_follow(follow)
            // A pipe that stands there by now is not waited for.
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        options
    }
}
