//! Every test that looks at more than one module.

mod browser;
mod conversion;
mod docs;
mod layers;
mod otlp;
mod plugin;
mod reload;
mod sente;
mod tree;
mod wit;
