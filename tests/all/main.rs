//! Every test that looks at more than one module.

mod browser;
mod conversion;
mod docs;
mod layers;
mod plugin;
mod otlp;
mod reload;
mod sente;
mod trace;
mod tree;
mod wit;
