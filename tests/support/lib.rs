//! What the tests share: the repository's files, a browser to drive, and the word for "not here".

pub mod browser;
pub mod repository;
pub mod skip;
