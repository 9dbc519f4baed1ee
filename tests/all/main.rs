//! Every test that looks at more than one module.

mod browser;
mod conversion;
mod demo;
mod docs;
mod layers;
mod otlp;
mod plugin;
mod reload;
mod sente;
mod trace;
mod tree;
mod wit;
