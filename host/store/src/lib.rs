//! Where what plugins put away is kept: in memory and, if there is a path, on the disk behind it.
//!
//! Who reads and who writes waits for nobody: a thread of its own brings what has changed to the disk, in batches that
//! are there whole or not at all (`disk`). A process that dies loses what no batch has brought there: what was written in the last 10 ms or so,
//! more only where the disk takes longer, which the log says.

mod disk;
mod keeper;
mod kept;

pub use disk::OpenError;
pub use keeper::{Keeper, Unwritten};

/// What the store on the disk is kept by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The file; its folder has to be there.
    pub path: std::path::PathBuf,
    /// Bytes of writes that may wait for it. Over that, writes are refused.
    pub waiting: usize,
}
