//! Every test that looks at more than one module.

mod browser;
mod docs;
mod layers;
mod otlp;
mod tree;
mod wit;
