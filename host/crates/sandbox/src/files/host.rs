//! `wasi:filesystem`, each call asked about first and then left to `wasmtime-wasi`.

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::FilesView;
use super::mount::Access;
use super::open::{Opening, Refusal};

type Fd = Resource<Descriptor>;

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let mut found = Vec::new();
        for (descriptor, handle) in self.preopen()? {
            let fd = self.wasi.table.push(descriptor)?;
            let path = handle.path.clone();
            self.files.handles.insert(fd.rep(), handle);
            found.push((fd, path));
        }
        Ok(found)
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

impl HostDescriptor for FilesView<'_> {
    async fn advise(&mut self, fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> FsResult<()> {
        self.wasi.advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.wasi.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.wasi.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        let nothing = self
            .files
            .handles
            .get(&fd.rep())
            .is_some_and(|handle| handle.mount.is_none());
        if nothing {
            return Ok(DescriptorType::Directory);
        }
        self.wasi.get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.take(fd.rep(), size)?;
        self.wasi.set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        self.files.ask_handle(&fd, Access::Write).await?;
        self.wasi.set_times(fd, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.wasi.read(fd, len, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.take(fd.rep(), bytes.len() as u64)?;
        self.wasi.write(fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.files.ask_handle(&fd, Access::Read).await?;
        let folder = self.files.folder_with_hidden(&fd);
        let stream = self.wasi.read_directory(fd).await?;
        if let Some(folder) = folder {
            self.files.listed.insert(stream.rep(), folder);
        }
        Ok(stream)
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.wasi.sync(fd).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.ask(&fd, &path, Access::Write).await?;
        self.wasi.create_directory_at(fd, path).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.files.ask_handle(&fd, Access::Read).await?;
        self.wasi.stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.files.ask(&fd, &path, Access::Read).await?;
        self.wasi.stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.files.ask(&fd, &path, Access::Write).await?;
        self.wasi.set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn link_at(&mut self, fd: Fd, flags: PathFlags, from: String, to_fd: Fd, to: String) -> FsResult<()> {
        self.files.ask_link(&fd, &from).await?;
        self.files.ask_link(&to_fd, &to).await?;
        self.wasi.link_at(fd, flags, from, to_fd, to).await
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let changes = OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let writes = DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
        let access = if open.intersects(changes) || flags.intersects(writes) {
            Access::Write
        } else {
            Access::Read
        };
        let full = self.files.ask(&fd, &path, access).await?;
        self.has_room()?;
        let opening = Opening::new(path, path_flags, open, flags)?;
        let Descriptor::Dir(below) = self.wasi.table.get(&fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        match opening.below(below, &self.files.hidden).await {
            Ok(opened) => self.opened(fd.rep(), full, opened),
            Err(Refusal::Code(code)) => Err(code.into()),
            Err(Refusal::Hidden) => {
                self.files.deny_hidden(&full).await;
                Err(ErrorCode::NotPermitted.into())
            }
        }
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.closed(fd.rep());
        HostDescriptor::drop(&mut self.wasi, fd)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.files.ask(&fd, &path, Access::Read).await?;
        self.wasi.readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.ask(&fd, &path, Access::Write).await?;
        self.wasi.remove_directory_at(fd, path).await
    }

    async fn rename_at(&mut self, fd: Fd, from: String, to_fd: Fd, to: String) -> FsResult<()> {
        self.files.ask_move(&fd, &from).await?;
        self.files.ask(&to_fd, &to, Access::Write).await?;
        self.wasi.rename_at(fd, from, to_fd, to).await
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.files.ask_link(&fd, &path).await?;
        // It leads out of the folder, or would once it was moved: not for the guest, but for whoever opens the path by name, as
        // the grants of the next attempt do.
        if target.split('/').any(|part| part == "..") {
            return Err(ErrorCode::NotPermitted.into());
        }
        self.wasi.symlink_at(fd, target, path).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.ask(&fd, &path, Access::Write).await?;
        self.wasi.unlink_file_at(fd, path).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.wasi.read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let number = fd.rep();
        let stream = self.wasi.write_via_stream(fd, offset)?;
        self.counted(number, stream)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let number = fd.rep();
        let stream = self.wasi.append_via_stream(fd)?;
        self.counted(number, stream)
    }

    async fn is_same_object(&mut self, first: Fd, second: Fd) -> wasmtime::Result<bool> {
        self.wasi.is_same_object(first, second).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.files.ask_handle(&fd, Access::Read).await?;
        self.wasi.metadata_hash(fd).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.files.ask(&fd, &path, Access::Read).await?;
        self.wasi.metadata_hash_at(fd, flags, path).await
    }
}

impl HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let Some(folder) = self.files.listed.get(&stream.rep()) else {
            return self.wasi.read_directory_entry(stream).await;
        };
        loop {
            let next = Resource::new_borrow(stream.rep());
            let entry = self.wasi.read_directory_entry(next).await?;
            // Whoever lists a folder looks at each entry of it, and a denial would end the whole list.
            if !entry
                .as_ref()
                .is_some_and(|entry| self.files.hidden.names(&folder.join(&entry.name)))
            {
                return Ok(entry);
            }
        }
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.files.listed.remove(&stream.rep());
        HostDirectoryEntryStream::drop(&mut self.wasi, stream)
    }
}
