//! The way to the disk: what waits (`line`), who takes it there (`writer`), and where it gets to (`file`).

mod contents;
mod error;
mod file;
mod line;
mod place;
mod writer;

pub use error::OpenError;
pub(crate) use file::File;
pub(crate) use line::Line;
pub(crate) use writer::Writer;
