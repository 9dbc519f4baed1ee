//! C: `zig cc` has a compiler, a linker and wasi-libc in one package of PyPI's.

use super::{Site, bindings, pins, python, run};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Zig's stack has 16 MiB without it, which is all the memory that a plugin has.
const STACK: &str = "-Wl,-z,stack-size=131072";

pub(super) fn tools(site: &Site) -> Result<(), String> {
    python::install(site, pins::ZIG)
}

pub(super) fn build(site: &Site) -> Result<Vec<u8>> {
    bindings::write(site, wit_bindgen_c::Opts::default().build(), &site.work)?;
    let packages = python::folder(site, pins::ZIG);
    let module = site.work.join("core.wasm");
    let bindings = "stateful_handler_plugin";
    run(python::python(&packages)
        .env("ZIG_GLOBAL_CACHE_DIR", site.tools.join("zig-cache"))
        .env("ZIG_LOCAL_CACHE_DIR", site.work.join("cache"))
        .args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"])
        .args(["-Os", "-Wall", "-Wextra", "-Werror", if site.lines { "-g" } else { "-s" }])
        .args([STACK, "-I"])
        .arg(&site.work)
        .args(sources(&site.source)?)
        .arg(site.work.join(format!("{bindings}.c")))
        .arg(site.work.join(format!("{bindings}_component_type.o")))
        .arg("-o")
        .arg(&module))?;
    let module =
        fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))?;
    bindings::component(&module)
}

/// The files in C of a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let files =
        fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let files = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        files.into_iter().filter(|file| file.extension().is_some_and(|it| it == "c")).collect();
    files.sort();
    Ok(files)
}
