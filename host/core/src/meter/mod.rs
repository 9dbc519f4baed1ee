//! What is counted, and how it is shown.
//!
//! Whoever counts says what [`Happened`]; whoever has something that can be read now and then (a length, a limit) says it
//! when it is asked. Both end as [`Samples`] of [`Metric`]s, whose names, units, labels and texts stand in one table
//! (`metric`), and OpenTelemetry's names for them beside it (`semantic`). `/metrics`, `/stats` and OTLP are three ways to write
//! the same samples.

mod by_label;
mod exemplar;
mod happened;
mod histogram;
mod metric;
mod outgoing;
mod plugin;
mod samples;
mod semantic;
mod totals;

pub use by_label::ByLabel;
pub use exemplar::Exemplar;
pub use happened::Happened;
pub use histogram::{BOUNDS, Gathered, Histogram, Reading, Spread};
pub use metric::{Kind, Metric};
pub use outgoing::OutgoingTotals;
pub use plugin::{Broken, PluginCounts, PluginHappened, PluginTotals};
pub use samples::{Sample, Samples, Value};
pub use semantic::Instrument;
pub use totals::Totals;
