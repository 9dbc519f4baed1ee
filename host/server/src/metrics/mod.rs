//! What was counted, as texts: for scrapers (`text`) and as `/stats` (`stats`).

mod exemplars;
mod stats;
mod text;

pub use stats::stats;
pub use text::{Form, text};
