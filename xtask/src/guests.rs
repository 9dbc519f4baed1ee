//! Builds guests: plugins and test fixtures from Rust source to WebAssembly components.
//!
//! Cargo decides what has to be compiled again; the component is written only when its bytes changed, under a temporary
//! name that is then renamed, so that a gateway watching the folder sees each version once and whole.

use crate::{languages, workspace::Workspace};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What guests are built for, unless their manifest says otherwise: no WASI, no imports but ours.
const DEFAULT_TARGET: &str = "wasm32-unknown-unknown";

/// The profile of all guests, so that they share what they have compiled: fast, and a panic is a trap.
const PROFILE: [&str; 5] = [
    "profile.release.opt-level=3",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.strip=true",
    "profile.release.panic='abort'",
];

/// For guests that keep what names lines of their source.
const LINES: [&str; 2] =
    ["profile.release.strip=false", "profile.release.debug='line-tables-only'"];

/// The first eight bytes of a component, as opposed to a core module.
const COMPONENT_PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// How `cargo xtask guests` is called.
pub(crate) const USAGE: &str = "\
cargo xtask guests [--plugins | --fixtures | --rooms | --path DIR] [--out DIR]
  Builds the guests in `plugins`, `tests/fixtures` and `examples/room` (or one of these, or the guest
  in DIR) into `guests/NAME.wasm` in cargo's target directory, or into the folder that --out names.
  --rooms: the room example in the languages that are not Rust; one whose tools are missing is left out.";

/// Which guests to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The shipped plugins, the test fixtures and the room example.
    All,
    /// The packages in `plugins`.
    Plugins,
    /// The packages in `tests/fixtures`.
    Fixtures,
    /// The package (or workspace) in this folder, wherever it is.
    Path(PathBuf),
}

/// The command `cargo xtask guests`: builds and prints one path per component.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let mut which = Which::All;
    let (mut out, mut rooms_only) = (None, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("`{arg}` needs a folder"));
        match arg.as_str() {
            "--plugins" => which = Which::Plugins,
            "--fixtures" => which = Which::Fixtures,
            "--rooms" => rooms_only = true,
            "--path" => which = Which::Path(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            _ => bail!("`{arg}` is not an option of `guests`\n{USAGE}"),
        }
    }
    let folder = match out {
        Some(folder) => folder,
        None => target_directory()?.join("guests"),
    };
    if !rooms_only {
        for component in build_into(&which, &folder)? {
            say(&component.display().to_string());
        }
    }
    if rooms_only || which == Which::All {
        for room in languages::build(workspace, &folder)? {
            say(&room.to_string());
        }
    }
    Ok(())
}

/// Builds guests and returns where their components are, in `guests/` of cargo's target directory.
pub(crate) fn build(which: Which) -> Result<Vec<PathBuf>> {
    let folder = target_directory()?.join("guests");
    build_into(&which, &folder)
}

/// As [`build`], with the components in a folder of the caller's choice.
pub(crate) fn build_into(which: &Which, folder: &Path) -> Result<Vec<PathBuf>> {
    let root = root();
    let (place, inside) = match which {
        Which::All => (&root, root.clone()),
        Which::Plugins => (&root, root.join("plugins")),
        Which::Fixtures => (&root, root.join("tests/fixtures")),
        Which::Path(path) => (path, path.clone()),
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let manifest = place.join("Cargo.toml");
    let target_directory = target_directory()?.join(build_folder(which)?);
    let mut components = Vec::new();
    for (kind, packages) in guests_of(&manifest, &inside)? {
        ensure_target(&kind.target)?;
        for (name, module) in compile(&manifest, &kind, &packages, &target_directory)? {
            let component = folder.join(format!("{name}.wasm"));
            write_if_changed(&component, &componentize(&name, &module)?)?;
            components.push(component);
        }
    }
    components.sort();
    Ok(components)
}

/// Where guests are built. Our own share a folder; a place of somebody's has one of its own, since cargo takes two packages
/// of one name in different places for the same, and the newer for both.
fn build_folder(which: &Which) -> Result<String> {
    let Which::Path(place) = which else { return Ok("guests-build".to_owned()) };
    let place = place
        .canonicalize()
        .with_context(|| format!("there is no guest in `{}`", place.display()))?;
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    Ok(format!("guests-build-{:016x}", hasher.finish()))
}

/// How a guest is built: what the table `package.metadata.tengen` of its manifest says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    /// `target`.
    target: String,
    /// `lines`: whether it keeps the names of its functions and what names lines of its source.
    lines: bool,
}

impl Kind {
    fn of(package: &Value) -> Self {
        let said = |key| package.pointer(&format!("/metadata/tengen/{key}"));
        let target = said("target").and_then(Value::as_str).unwrap_or(DEFAULT_TARGET).to_owned();
        Self { target, lines: said("lines").and_then(Value::as_bool).unwrap_or_default() }
    }
}

/// The packages of a manifest that make a guest (that have a `cdylib`), by how they are built: of a workspace's
/// those inside a folder, of a package's that one.
fn guests_of(manifest: &Path, inside: &Path) -> Result<BTreeMap<Kind, Vec<String>>> {
    let canonical = |path: &Path| {
        path.canonicalize().with_context(|| format!("there is no guest in `{}`", path.display()))
    };
    let (manifest, inside) = (canonical(manifest)?, canonical(inside)?);
    let metadata = metadata(&manifest)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let path_of =
        |package: &Value| package.get("manifest_path").and_then(Value::as_str).map(PathBuf::from);
    let named = packages.iter().any(|package| path_of(package).as_ref() == Some(&manifest));
    let mut guests = BTreeMap::<Kind, Vec<String>>::new();
    for package in packages {
        let Some(path) = path_of(package) else { continue };
        let meant = if named { path == manifest } else { path.starts_with(&inside) };
        if !meant || !makes_a_guest(package) {
            continue;
        }
        let name =
            package.get("name").and_then(Value::as_str).context("a package without a name")?;
        guests.entry(Kind::of(package)).or_default().push(name.to_owned());
    }
    ensure!(
        !guests.is_empty(),
        "`{}` makes no guest: give it `[lib] crate-type = [\"cdylib\"]`",
        manifest.display()
    );
    Ok(guests)
}

fn makes_a_guest(package: &Value) -> bool {
    let targets = package.get("targets").and_then(Value::as_array);
    targets.into_iter().flatten().any(is_cdylib)
}

fn is_cdylib(target: &Value) -> bool {
    let types = target.get("crate_types").and_then(Value::as_array);
    types.into_iter().flatten().any(|kind| kind == "cdylib")
}

/// Compiles packages and returns each one's name and core module (or component, for WASI targets).
fn compile(
    manifest: &Path,
    kind: &Kind,
    packages: &[String],
    target_directory: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = cargo();
    cargo.args([
        "build",
        "--release",
        "--message-format=json-render-diagnostics",
        "--target",
        &kind.target,
    ]);
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target_directory);
    // The last of two settings of one key holds.
    for setting in PROFILE.iter().chain(LINES.iter().filter(|_| kind.lines)) {
        cargo.args(["--config", setting]);
    }
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "the guests of `{}` do not compile", manifest.display());
    let mut modules = Vec::new();
    for line in
        output.stdout.split(|&byte| byte == b'\n').filter(|line| line.first() == Some(&b'{'))
    {
        let message: Value =
            serde_json::from_slice(line).context("cargo's messages cannot be read")?;
        if let Some((name, module)) = artifact(&message) {
            modules.push((name, module));
        }
    }
    modules.retain(|(name, _)| packages.contains(name));
    ensure!(modules.len() == packages.len(), "cargo built {} of {packages:?}", modules.len());
    Ok(modules)
}

/// The package's name and the file of a `compiler-artifact` message, if it is about a guest.
fn artifact(message: &Value) -> Option<(String, PathBuf)> {
    if message.get("reason")? != "compiler-artifact" || !is_cdylib(message.get("target")?) {
        return None;
    }
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    let files = message.get("filenames")?.as_array()?;
    let module = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))?;
    Some((package_name(message, manifest)?, PathBuf::from(module)))
}

/// A package id ends in `#NAME@VERSION`, or in `/NAME#VERSION` where the folder has the package's name.
fn package_name(message: &Value, manifest: &Path) -> Option<String> {
    let (_, fragment) = message.get("package_id")?.as_str()?.rsplit_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name.to_owned()),
        None => manifest.parent()?.file_name()?.to_str().map(str::to_owned),
    }
}

/// Wraps a core module; what already is a component stays as it is.
fn componentize(name: &str, module: &Path) -> Result<Vec<u8>> {
    let bytes =
        fs::read(module).with_context(|| format!("`{}` cannot be read", module.display()))?;
    if bytes.starts_with(&COMPONENT_PREAMBLE) {
        return Ok(bytes);
    }
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("the module of `{name}` makes no component"))
}

/// Under a temporary name first, so that whoever watches the file sees it whole.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("`{}` cannot be written", path.display()))
}

/// Adds the target by rustup when this toolchain does not have its standard library.
fn ensure_target(target: &str) -> Result<()> {
    if has_target(target) {
        return Ok(());
    }
    let remedy = format!(
        "guests need Rust's standard library for `{target}`: run `rustup target add {target}`, \
         or install your distribution's package with it"
    );
    let added = Command::new("rustup").args(["target", "add", target]).status();
    match added {
        Ok(status) if status.success() && has_target(target) => Ok(()),
        Ok(_) => bail!("{remedy} (rustup was tried and failed)"),
        Err(_) => bail!("{remedy} (there is no rustup here)"),
    }
}

fn has_target(target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

/// Cargo's target directory for this workspace: settings, environment and default, as cargo itself sees them.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata(&root().join("Cargo.toml"))?;
    let path = metadata.get("target_directory").and_then(Value::as_str);
    path.map(PathBuf::from).context("cargo's metadata names no target directory")
}

/// What cargo says of a manifest's workspace, its dependencies left out.
pub(crate) fn metadata(manifest: &Path) -> Result<Value> {
    metadata_with(manifest, &["--no-deps"])
}

/// What cargo says of this workspace and of all that it depends on.
pub(crate) fn whole_metadata() -> Result<Value> {
    metadata_with(&root().join("Cargo.toml"), &["--offline"])
}

fn metadata_with(manifest: &Path, options: &[&str]) -> Result<Value> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--format-version", "1"]).args(options);
    cargo.arg("--manifest-path").arg(manifest);
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "`{}` cannot be read by cargo", manifest.display());
    serde_json::from_slice(&output.stdout).context("cargo's metadata cannot be read")
}

/// The repository: the folder above this package's, of the checkout that `cargo xtask` was called in.
fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map(Path::to_owned).unwrap_or(package)
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[expect(clippy::print_stdout, reason = "the paths are this command's output")]
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(package_id: &str, crate_type: &str, expected: Option<&str>) {
        let message = json!({
            "reason": "compiler-artifact",
            "package_id": package_id,
            "manifest_path": "/there/guests/echo/Cargo.toml",
            "target": { "crate_types": [crate_type] },
            "filenames": ["/target/echo_guest.wasm"],
        });
        assert_eq!(artifact(&message).map(|(name, _)| name).as_deref(), expected);
    }

    #[test]
    fn a_guest_is_named_after_its_package() {
        check("path+file:///there/guests/echo#0.1.0", "cdylib", Some("echo"));
        check("path+file:///there/guests/echo#echo-guest@0.1.0", "cdylib", Some("echo-guest"));
        check("path+file:///there/guests/echo#0.1.0", "rlib", None);
    }

    #[test]
    fn an_unchanged_component_is_not_written_again() {
        let path = env::temp_dir().join(format!("tengen-guests-{}.wasm", std::process::id()));
        write_if_changed(&path, b"one").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        write_if_changed(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        write_if_changed(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        fs::remove_file(&path).unwrap();
    }
}
