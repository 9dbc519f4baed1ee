//! What a guest opens in its folders is a file or a folder, and never a pipe.
//!
//! Opening a pipe waits for its other end, in a thread of the system that nobody can call back: the call is given up at
//! its deadline, and the thread would stay. Only who shares the folder with the plugin can put a pipe there; between our
//! look and the opening there is room for that, but not by the plugin, which has no way to make one.

use super::state::State;
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    filesystem::{Descriptor, WasiFilesystemView},
    p2::bindings::filesystem::types::{
        DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
    },
};

/// As the linker of wasmtime-wasi has it; a test tells when it has another.
const TYPES: &str = "wasi:filesystem/types@0.2.12";
const OPEN: &str = "[method]descriptor.open-at";

/// The folder, how its links are followed, the path in it, how it is opened, and for what.
type Asked = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Puts a look in front of opening.
pub(super) fn refuse(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap_async(OPEN, |store, asked: Asked| {
        Box::new(async move { Ok((open(store, asked).await?,)) })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn open(
    mut store: StoreContextMut<'_, State>,
    (folder, links, path, how, what): Asked,
) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
    let mut files = store.data_mut().filesystem();
    let seen = files.stat_at(Resource::new_borrow(folder.rep()), links, path.clone()).await;
    match seen.map(|seen| seen.type_) {
        // Of a link that is not followed, opening says so.
        Ok(
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink,
        ) => {}
        Ok(_) => return Ok(Err(ErrorCode::NotPermitted)),
        Err(error) => match error.downcast()? {
            // It is about to be made.
            ErrorCode::NoEntry if how.contains(OpenFlags::CREATE) => {}
            error => return Ok(Err(error)),
        },
    }
    match files.open_at(folder, links, path, how, what).await {
        Ok(opened) => Ok(Ok(opened)),
        Err(error) => error.downcast().map(Err),
    }
}
