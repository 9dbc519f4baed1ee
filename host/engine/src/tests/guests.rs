//! Guests written in core WebAssembly text, made components by the interface's own WIT: small, and as hostile as needed.

use std::{fmt::Write as _, path::Path};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// A guest's functions. What is not said otherwise does nothing, well.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub(crate) max_batch: u32,
    /// The patterns of events that it wants: none, or this one.
    pub(crate) wants: Option<&'static str>,
    pub(crate) describe: &'static str,
    pub(crate) start: &'static str,
    pub(crate) stop: &'static str,
    /// Has the locals `$at` and `$end` (its events), `$out` and `$n`, and leaves where the result is.
    pub(crate) handle: String,
    /// Further locals of `handle`.
    pub(crate) locals: &'static str,
    pub(crate) post_return: &'static str,
    pub(crate) realloc: &'static str,
    /// What of the snapshot it has: the code of `save` and of `load`.
    pub(crate) snapshot: Option<(&'static str, &'static str)>,
    /// Further imports of the module.
    pub(crate) imports: &'static str,
    /// Packages that its world imports from beside ours, each as WIT text, in order.
    pub(crate) packages: &'static [&'static str],
    /// Further items of the module.
    pub(crate) items: &'static str,
    /// Pages of memory at the beginning.
    pub(crate) pages: u32,
    /// Items of its world.
    pub(crate) world: &'static str,
    /// How its strings stand in its memory.
    pub(crate) strings: StringEncoding,
}

/// Leaves a decision to do nothing about each event: they are at 65536, 48 bytes each, before the guest's own code begins.
pub(crate) const NOTHING: &str = "(i32.const 256)";

/// Answers every message that waits for a reply with its own payload; traps on one whose payload begins with `x`,
/// loops on `l`, returns an error on `e`, and says `p` when it is to push into a reserved namespace.
pub(crate) const PICKY: &str = r#"
  (local.set $out (i32.const 65536))
  (block $done (loop $each
    (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
    (if (i32.eq (i32.load8_u offset=24 (local.get $at)) (i32.const 2)) (then
      (local.set $first (i32.load8_u (i32.load offset=48 (local.get $at))))
      (if (i32.eq (local.get $first) (i32.const 120)) (then unreachable))
      (if (i32.eq (local.get $first) (i32.const 108)) (then (loop $for_ever (br $for_ever))))
      (if (i32.eq (local.get $first) (i32.const 101)) (then (return (i32.const 320))))
      (if (i32.load8_u offset=56 (local.get $at)) (then
        (i32.store8 offset=4 (local.get $out) (i32.const 2))
        (i32.store8 offset=8 (local.get $out) (i32.const 1))
        (i32.store offset=12 (local.get $out) (local.get $by))))))
    (local.set $out (i32.add (local.get $out) (i32.const 48)))
    (local.set $at (i32.add (local.get $at) (i32.const 160)))
    (local.set $by (i32.add (local.get $by) (i32.const 1)))
    (br $each)))
  (i32.const 256)
"#;

impl Default for Guest {
    fn default() -> Self {
        Self {
            max_batch: 64,
            wants: None,
            describe: "(i32.const 16)",
            start: "(i32.const 128)",
            stop: "",
            handle: NOTHING.into(),
            locals: "",
            post_return: "",
            realloc: "",
            snapshot: None,
            imports: "",
            packages: &[],
            items: "",
            pages: 4,
            world: "import tengen:gateway/signals@0.1.0;
                export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;",
            strings: StringEncoding::UTF8,
        }
    }
}

impl Guest {
    pub(crate) fn handling(handle: impl Into<String>) -> Self {
        Self { handle: handle.into(), ..Self::default() }
    }

    /// The component, against the project's own interface.
    pub(crate) fn component(&self) -> Vec<u8> {
        self.component_with(|wit| wit)
    }

    /// The component, against the interface as changed.
    pub(crate) fn component_with(&self, change: impl Fn(String) -> String) -> Vec<u8> {
        let mut resolve = Resolve::default();
        resolve.push_str("gateway.wit", &change(interface())).expect("the interface parses");
        for package in self.packages {
            resolve.push_str("other.wit", package).expect("the package parses");
        }
        let snapshot = self.snapshot.map_or("", |_| "export tengen:gateway/snapshot@0.1.0;");
        let world = format!("package tengen:guests; world guest {{ {} {snapshot} }}", self.world);
        let world = change(world);
        let package: PackageId = resolve.push_str("guest.wit", &world).expect("the world parses");
        let world = resolve.select_world(&[package], Some("guest")).expect("there is a world");
        let text = change(self.module());
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, self.strings, true)
            .expect("embedded");
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .expect("a module")
            .encode()
            .expect("a component")
    }

    fn module(&self) -> String {
        let Self { describe, start, stop, handle, post_return, realloc, pages, .. } = self;
        let (items, imports, locals, data) = (self.items, self.imports, self.locals, self.data());
        let snapshot = self.snapshot.map_or_else(String::new, |(save, load)| {
            format!(
                r#"(func (export "tengen:gateway/snapshot@0.1.0#save") (param $number i32) (result i32) {save})
  (func (export "tengen:gateway/snapshot@0.1.0#load")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {load})"#
            )
        });
        format!(
            r#"(module
  (import "tengen:gateway/signals@0.1.0" "emit" (func $emit (param i32 i32 i32 i32 i32 i32 i32)))
  {imports}
  (memory (export "memory") {pages})
  (global $next (mut i32) (i32.const 131072))
  {data}
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    {realloc}
    (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))) (then
      (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))))
    (local.get $at))
  (func (export "tengen:gateway/plugin@0.1.0#describe") (result i32) {describe})
  (func (export "tengen:gateway/plugin@0.1.0#start") (param $reason i32) (param $age i32) (result i32) {start})
  (func (export "tengen:gateway/plugin@0.1.0#stop") {stop})
  (func (export "tengen:gateway/handler@0.1.0#handle") (param $at i32) (param $count i32) (result i32)
    (local $end i32) (local $out i32) (local $n i32) (local $by i32) (local $first i32) {locals}
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $count) (i32.const 160))))
    (memory.fill (i32.const 65536) (i32.const 0) (i32.mul (local.get $count) (i32.const 48)))
    (i32.store (i32.const 256) (i32.const 0)) (i32.store (i32.const 260) (i32.const 65536))
    (i32.store (i32.const 264) (local.get $count))
    {handle})
  (func (export "cabi_post_tengen:gateway/handler@0.1.0#handle") (param i32)
    {post_return}
    (global.set $next (i32.const 131072)))
  {snapshot}
  {items})"#
        )
    }

    /// 16: the description; 128: `ok` of `start`; 192: its error; 256: the decisions of `handle`; 320: an error of it;
    /// 384: a saved state, whole.
    fn data(&self) -> String {
        let mut text = String::new();
        let mut put = |at: u32, bytes: &[u8]| {
            let escaped = bytes.iter().fold(String::new(), |mut all, byte| {
                write!(all, "\\{byte:02x}").expect("writing to a string");
                all
            });
            writeln!(text, "(data (i32.const {at}) \"{escaped}\")").expect("writing to a string");
        };
        put(1024, b"wat");
        put(1032, b"1.0");
        put(1040, b"not today");
        put(1056, b"chsk/x");
        put(1064, b"k");
        put(16, &words(&[1024, 3, 1032, 3, 0, self.max_batch]));
        if let Some(pattern) = self.wants {
            put(1088, pattern.as_bytes());
            put(1072, &words(&[1088, u32::try_from(pattern.len()).expect("short")]));
            put(40, &words(&[1072, 1]));
        }
        if self.snapshot.is_some() {
            put(1080, &words(&[1064, 1]));
            put(56, &words(&[1, 1064, 1, 1080, 1]));
            put(384, &words(&[0, 1064, 1, 1064, 1, 1]));
        }
        put(192, &words(&[1, 1040, 9]));
        put(320, &words(&[1, 1040, 9]));
        text
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The project's interface as one text.
fn interface() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut text = String::from("package tengen:gateway@0.1.0;\n");
    // One of a later version, which this gateway does not offer.
    text.push_str("interface later { is-connected: func(user: string) -> bool; }\n");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let file = entry.expect("an entry").path();
        let part = std::fs::read_to_string(&file).expect("readable");
        text.push_str(&part.replace("package tengen:gateway@0.1.0;", ""));
    }
    text
}
