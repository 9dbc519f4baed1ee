//! Every committed input still holds: what was once found stays fixed, and needs no fuzzer to be seen.

use std::{collections::BTreeSet, fs, path::Path};
use tengen_fuzz::{targets, upgrade};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 10] = [
    ("json", targets::json),
    ("edn", targets::edn),
    ("transit", targets::transit),
    ("msgpack", targets::msgpack),
    ("transcode", targets::transcode),
    ("envelope", targets::envelope),
    ("websocket", targets::websocket),
    ("upgrade", upgrade::upgrade),
    ("polls", upgrade::polls),
    ("config", targets::config),
];

#[cfg(feature = "engine")]
const ENGINE: [(&str, Target); 2] =
    [("effects", tengen_fuzz::engine::effects), ("lift", tengen_fuzz::engine::lift)];
#[cfg(not(feature = "engine"))]
const ENGINE: [(&str, Target); 0] = [];

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

#[test]
fn every_committed_input_holds() {
    for (name, target) in TARGETS.into_iter().chain(ENGINE) {
        let entries = fs::read_dir(corpus().join(name)).expect("every target has inputs");
        let mut inputs = 0;
        for entry in entries {
            let path = entry.expect("an entry").path();
            eprintln!("{}", path.display());
            target(&fs::read(&path).expect("readable"));
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no inputs");
    }
}

#[test]
fn every_target_is_listed_here() {
    let listed: BTreeSet<_> =
        TARGETS.iter().map(|(name, _)| *name).chain(["effects", "lift"]).collect();
    let manifest = fs::read_to_string(corpus().with_file_name("Cargo.toml")).expect("readable");
    let names =
        manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(names.collect::<BTreeSet<_>>(), listed);
}
