//! The tools of each language, in the versions that were tried together. What is a crate (the bindings of C and Go, and the
//! adapter to WASI) is in `Cargo.toml`.

/// Of each language, all of its pins: what a component depends on besides its source and the interface.
pub(super) const C: &str = "ziglang==0.15.2; wit-bindgen-c 0.61.1";
pub(super) const JS: &str = "componentize-qjs@0.4.5";
pub(super) const PYTHON: &str = "componentize-py==0.25.1";
pub(super) const GO: &str = "go 1.26; wit-bindgen-go 0.61.1; adapter 48.0.8";

/// PyPI's package with zig, whose compiler of C has wasi-libc.
pub(super) const ZIG: &str = "ziglang==0.15.2";
/// PyPI's package.
pub(super) const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// npm's package, with QuickJS.
pub(super) const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";
