//! Every test that looks at more than one module.

mod browser;
mod docs;
mod layers;
mod tree;
mod wit;
