//! The tools of each language, in the versions that were tried together. The bindings of C and Go, and the adapter to WASI, are
//! crates: `Cargo.toml` has their versions, and `Cargo.lock` the exact ones.

/// Of C, all that a component is made of besides its source and the interface.
pub(super) const C: &str = "ziglang==0.15.2; wit-bindgen-c 0.61.1; adapter 48.0.8; 1";
pub(super) const JS: &str = "componentize-qjs@0.4.5; 1";
pub(super) const PYTHON: &str = "componentize-py==0.25.1; 1";
pub(super) const GO: &str = "go; wit-bindgen-go 0.61.1; adapter 48.0.8; 1";

/// PyPI's package with zig, whose compiler of C has wasi-libc.
pub(super) const ZIG: &str = "ziglang==0.15.2";
/// PyPI's package.
pub(super) const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// npm's package, with QuickJS.
pub(super) const COMPONENTIZE_QJS: &str = "componentize-qjs@0.4.5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_is_built_again_for_names_the_tools_of_the_build() {
        for (all, tool) in [(C, ZIG), (JS, COMPONENTIZE_QJS), (PYTHON, COMPONENTIZE_PY)] {
            assert!(all.starts_with(tool), "{all} is not of {tool}");
        }
        let lock = include_str!("../../../Cargo.lock");
        for (all, name, krate) in [
            (C, "wit-bindgen-c", "wit-bindgen-c"),
            (GO, "wit-bindgen-go", "wit-bindgen-go"),
            (C, "adapter", "wasi-preview1-component-adapter-provider"),
            (GO, "adapter", "wasi-preview1-component-adapter-provider"),
        ] {
            let after = format!("name = \"{krate}\"\nversion = \"");
            let (_, rest) = lock.split_once(&after).expect("a crate of the lock file");
            let (version, _) = rest.split_once('"').expect("a version");
            assert!(all.contains(&format!("{name} {version}")), "{all}: {krate} is {version}");
        }
    }
}
