//! C: `zig cc` has a compiler, a linker and wasi-libc in one package of PyPI's.

use super::{Site, bindings, pins, python, run};
use anyhow::{Context as _, Result};
use std::fs;

/// Zig's stack has 16 MiB without it, which is all the memory that a plugin has.
const STACK: &str = "-Wl,-z,stack-size=131072";

pub(super) fn tools(site: &Site) -> Result<(), String> {
    python::install(site, pins::ZIG)
}

pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    bindings::write(site, wit_bindgen_c::Opts::default().build(), &site.work)?;
    let packages = python::folder(site, pins::ZIG);
    let module = site.work.join("room.core.wasm");
    let bindings = "stateful_handler_plugin";
    run(python::python(&packages)
        .env("ZIG_GLOBAL_CACHE_DIR", site.tools.join("zig-cache"))
        .env("ZIG_LOCAL_CACHE_DIR", site.work.join("cache"))
        .args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"])
        .args(["-Os", "-Wall", "-Wextra", "-Werror", "-s", STACK, "-I"])
        .arg(&site.work)
        .arg(site.source.join("room.c"))
        .arg(site.source.join("json.c"))
        .arg(site.work.join(format!("{bindings}.c")))
        .arg(site.work.join(format!("{bindings}_component_type.o")))
        .arg("-o")
        .arg(&module))?;
    let module =
        fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))?;
    bindings::component(&module)
}
