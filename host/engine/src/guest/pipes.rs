//! What a guest opens in its folders is a file or a folder, and never a pipe, a socket or a device.
//!
//! Opening a pipe waits for its other end, in a thread of the system that nobody can call back: the call is given up at
//! its deadline, and the thread would stay. A look before the opening is not enough. A pipe lies there because somebody who
//! shares the folder made it; but a plugin that may write to the folder can give the pipe another name between the look and
//! the opening, as often as it takes. So we open without waiting, and look at what is open. Where the system has no such
//! call, wasmtime-wasi opens what we have looked at, and that race is left to the plugin.

use super::{beneath, data::Data};
use rustix::{fs::OFlags, io::Errno};
use std::{fs::File, io, sync::Arc};
use tokio::task::spawn_blocking;
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    filesystem::{
        self, Descriptor, Dir, OpenMode, WasiFilesystemCtxView as Files, WasiFilesystemView,
    },
    p2::bindings::filesystem::types::{
        DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, NewTimestamp, OpenFlags,
        PathFlags,
    },
};

/// As the linker of wasmtime-wasi has it; a test tells when it has another.
const TYPES: &str = "wasi:filesystem/types@0.2.12";
const OPEN: &str = "[method]descriptor.open-at";
const SET_TIMES: &str = "[method]descriptor.set-times-at";

/// The folder, how its links are followed, the path in it, how it is opened, and for what.
type Asked = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
/// The folder, how its links are followed, the path in it, when it was read and when written.
type Times = (Resource<Descriptor>, PathFlags, String, NewTimestamp, NewTimestamp);

/// What a guest is answered; an error around it ends the call.
type Answer<T> = wasmtime::Result<Result<T, ErrorCode>>;

/// Puts our opening in the place of wasmtime-wasi's, wherever a path is opened for a guest.
pub(crate) fn refuse(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap_async(OPEN, |store, asked: Asked| {
        Box::new(async move { Ok((opened(store, asked).await?,)) })
    })?;
    types.func_wrap_async(SET_TIMES, |store, times: Times| {
        Box::new(async move { Ok((timed(store, times).await?,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn opened(
    mut store: StoreContextMut<'_, Data>,
    asked: Asked,
) -> Answer<Resource<Descriptor>> {
    open(&mut store.data_mut().filesystem(), asked).await
}

async fn timed(mut store: StoreContextMut<'_, Data>, times: Times) -> Answer<()> {
    set_times(&mut store.data_mut().filesystem(), times).await
}

async fn open(files: &mut Files<'_>, asked: Asked) -> Answer<Resource<Descriptor>> {
    let (folder, links, path, how, what) = asked;
    let Descriptor::Dir(dir) = files.table.get(&folder)?.clone() else {
        return Ok(Err(ErrorCode::NotDirectory));
    };
    let here = Resource::new_borrow(folder.rep());
    if let Err(error) = look(files, (here, links, path.clone()), how).await? {
        return Ok(Err(error));
    }
    let wish = match How::of(links, how, what) {
        Ok(wish) if dir.perms.write_not_permitted() && wish.writes() => {
            return Ok(Err(ErrorCode::NotPermitted));
        }
        Ok(wish) => wish,
        Err(error) => return Ok(Err(error)),
    };
    let (beneath, within) = (Arc::clone(&dir.dir), path.clone());
    match spawn_blocking(move || wish.open(&beneath, &within)).await? {
        Some(Ok(opened)) => Ok(Ok(files.table.push(opened.described(&dir, wish))?)),
        Some(Err(error)) => Ok(Err(error)),
        None => match files.open_at(folder, links, path, how, what).await {
            Ok(opened) => Ok(Ok(opened)),
            Err(error) => error.downcast().map(Err),
        },
    }
}

/// Refuses what is neither a file nor a folder without opening it: merely that does something to some devices.
async fn look(
    files: &mut Files<'_>,
    (folder, links, path): (Resource<Descriptor>, PathFlags, String),
    how: OpenFlags,
) -> Answer<()> {
    match files.stat_at(folder, links, path).await.map(|seen| seen.type_) {
        // Of a link that is not followed, opening says so.
        Ok(
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink,
        ) => Ok(Ok(())),
        Ok(_) => Ok(Err(ErrorCode::NotPermitted)),
        Err(error) => match error.downcast()? {
            // It is about to be made.
            ErrorCode::NoEntry if how.contains(OpenFlags::CREATE) => Ok(Ok(())),
            error => Ok(Err(error)),
        },
    }
}

/// wasmtime-wasi opens what it is to set the times of, where it follows links.
async fn set_times(files: &mut Files<'_>, times: Times) -> Answer<()> {
    let (folder, links, path, read, written) = times;
    if !links.contains(PathFlags::SYMLINK_FOLLOW) {
        let set = files.set_times_at(folder, links, path, read, written).await;
        return set.map_or_else(|error| error.downcast().map(Err), |()| Ok(Ok(())));
    }
    let mut opened = Err(ErrorCode::Access);
    // Either right is enough to do it, and a folder is opened to be read.
    for what in [DescriptorFlags::WRITE, DescriptorFlags::READ] {
        let here = Resource::new_borrow(folder.rep());
        opened = open(files, (here, links, path.clone(), OpenFlags::empty(), what)).await?;
        if !matches!(opened, Err(ErrorCode::Access | ErrorCode::IsDirectory)) {
            break;
        }
    }
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let set = files.set_times(Resource::new_borrow(opened.rep()), read, written).await;
    files.table.delete(opened)?;
    set.map_or_else(|error| error.downcast().map(Err), |()| Ok(Ok(())))
}

/// How a path is opened: as wasmtime-wasi does it, but for waiting.
#[derive(Debug, Clone, Copy)]
struct How {
    flags: OFlags,
    mode: OpenMode,
    /// Nothing but a folder will do.
    folder: bool,
}

impl How {
    fn of(links: PathFlags, how: OpenFlags, what: DescriptorFlags) -> Result<Self, ErrorCode> {
        let synced = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if what.intersects(synced) {
            return Err(ErrorCode::Unsupported);
        }
        let (folder, create) =
            (how.contains(OpenFlags::DIRECTORY), how.contains(OpenFlags::CREATE));
        let (exclusive, truncate) =
            (how.contains(OpenFlags::EXCLUSIVE), how.contains(OpenFlags::TRUNCATE));
        if folder && (create || exclusive || truncate) {
            return Err(ErrorCode::Invalid);
        }
        let writes = what.contains(DescriptorFlags::WRITE);
        let reads = what.contains(DescriptorFlags::READ) || !writes;
        let (mut flags, mode) = match (reads, writes || create || truncate) {
            (true, true) => (OFlags::RDWR, OpenMode::READ | OpenMode::WRITE),
            (false, true) => (OFlags::WRONLY, OpenMode::WRITE),
            (_, false) => (OFlags::RDONLY, OpenMode::READ),
        };
        flags.set(OFlags::NOFOLLOW, !links.contains(PathFlags::SYMLINK_FOLLOW));
        flags.set(OFlags::CREATE, create);
        flags.set(OFlags::EXCL, create && exclusive);
        flags.set(OFlags::TRUNC, truncate && !(create && exclusive));
        Ok(Self { flags, mode, folder })
    }

    fn writes(self) -> bool {
        self.mode.contains(OpenMode::WRITE)
    }

    /// None: this system cannot open without waiting.
    fn open(self, beneath: &File, path: &str) -> Option<Result<Opened, ErrorCode>> {
        let opened = match beneath::open(beneath, path, self.flags)? {
            Ok(file) => Opened::of(file),
            // A path that leads out of the folder; a socket, or a pipe that nobody reads.
            Err(Errno::XDEV | Errno::NXIO) => Err(ErrorCode::NotPermitted),
            Err(Errno::AGAIN) => Err(ErrorCode::Busy),
            Err(error) => Err(io::Error::from(error).into()),
        };
        Some(match opened {
            Ok(Opened::File(_)) if self.folder => Err(ErrorCode::NotDirectory),
            opened => opened,
        })
    }
}

/// What may be open for a guest.
#[derive(Debug)]
enum Opened {
    File(File),
    Folder(File),
}

impl Opened {
    fn of(file: File) -> Result<Self, ErrorCode> {
        let kind = file.metadata()?.file_type();
        match kind.is_file() {
            true => Ok(Self::File(file)),
            false if kind.is_dir() => Ok(Self::Folder(file)),
            false => Err(ErrorCode::NotPermitted),
        }
    }

    /// With the rights that the folder has in which it lies.
    fn described(self, parent: &Dir, how: How) -> Descriptor {
        match self {
            Self::File(file) => {
                Descriptor::File(filesystem::File::new(file, parent.perms, how.mode, false))
            }
            Self::Folder(file) => Descriptor::Dir(Dir::new(file, parent.perms, how.mode, false)),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::{fs, process::Command, sync::mpsc::sync_channel, thread, time::Duration};

    fn how(what: DescriptorFlags) -> How {
        How::of(PathFlags::empty(), OpenFlags::empty(), what).expect("it can be asked for")
    }

    /// What opening a name comes to, if the system can do it and it takes no longer than it may.
    fn tried(folder: &std::path::Path, name: &'static str, how: How) -> Result<Opened, ErrorCode> {
        let (beneath, (tell, told)) = (File::open(folder).expect("a folder"), sync_channel(1));
        let asking = thread::spawn(move || tell.send(how.open(&beneath, name)).ok());
        let opened = told.recv_timeout(Duration::from_secs(10));
        // Lets go of whoever waits for the pipe after all, or this test would not end.
        let both_ends = fs::OpenOptions::new().read(true).write(true).open(folder.join("pipe"));
        asking.join().expect("it does not panic");
        drop(both_ends);
        opened.expect("nobody is waited for").expect("Linux 5.6 or later")
    }

    // What a plugin wins that gives a pipe the name of a file between our look and the opening.
    #[test]
    fn a_pipe_that_took_a_files_place_is_not_waited_for_and_not_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        assert!(Command::new("mkfifo").arg(at.join("pipe")).status().expect("mkfifo").success());
        fs::write(at.join("file"), "content").expect("written");
        for what in [DescriptorFlags::READ, DescriptorFlags::WRITE] {
            let refused = tried(at, "pipe", how(what)).expect_err("it is a pipe");
            assert_eq!(refused, ErrorCode::NotPermitted, "{what:?}");
            assert!(matches!(tried(at, "file", how(what)), Ok(Opened::File(_))), "{what:?}");
        }
        let both = how(DescriptorFlags::READ | DescriptorFlags::WRITE);
        assert_eq!(tried(at, "pipe", both).expect_err("it is a pipe"), ErrorCode::NotPermitted);
    }

    #[test]
    fn a_path_leads_to_what_is_in_the_folder_and_nowhere_else() {
        let outer = tempfile::tempdir().expect("a folder");
        let at = outer.path().join("in");
        fs::create_dir_all(at.join("deeper")).expect("made");
        fs::write(outer.path().join("out"), "secret").expect("written");
        std::os::unix::fs::symlink("../out", at.join("link")).expect("linked");
        let read = how(DescriptorFlags::READ);
        let follows = How::of(PathFlags::SYMLINK_FOLLOW, OpenFlags::empty(), DescriptorFlags::READ);
        let follows = follows.expect("it can be asked for");
        assert!(matches!(tried(&at, "deeper", read), Ok(Opened::Folder(_))));
        for (name, how, expected) in [
            ("../out", read, ErrorCode::NotPermitted),
            ("/etc", read, ErrorCode::NotPermitted),
            ("link", follows, ErrorCode::NotPermitted),
            ("link", read, ErrorCode::Loop),
            ("none", read, ErrorCode::NoEntry),
            ("deeper", how(DescriptorFlags::WRITE), ErrorCode::IsDirectory),
        ] {
            assert_eq!(tried(&at, name, how).expect_err("it is refused"), expected, "{name}");
        }
    }
}
