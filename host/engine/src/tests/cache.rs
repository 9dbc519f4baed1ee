//! What was compiled once is not compiled again, unless anything about it is not as it should be.

use super::*;
use crate::{
    compile::{
        cache::Cache,
        code::{Code, Fingerprint},
        compiled::Hash,
    },
    prepare,
};
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// A component's file, and a folder for what is compiled.
struct Place {
    kept: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let file = kept.path().join("guest.wasm");
        fs::write(&file, Guest::default().component()).expect("written");
        Self { kept, file }
    }

    fn folder(&self) -> PathBuf {
        self.kept.path().join("cache")
    }

    async fn load(&self, compiler: Compiler) -> Result<(), String> {
        let limits = EngineLimits { instances: 2, ..EngineLimits::default() };
        let parts = EngineParts {
            limits,
            wanted: None,
            compiler,
            cache: Some(self.folder()),
            outgoing: None,
            kept: None,
            directory: None,
        };
        let engine = Engine::new(parts).expect("an engine");
        prepare::component(&engine, &self.file).await.map(drop).map_err(|error| error.explain())
    }

    /// Loads with a compiler that is not there: only what is kept can be loaded.
    async fn load_kept(&self) -> bool {
        match self.load(Compiler::child("/no/such/program")).await {
            Ok(()) => true,
            Err(why) => {
                assert!(why.contains("the compiler `/no/such/program` failed"), "{why}");
                false
            }
        }
    }

    /// The one component that is kept.
    fn kept(&self) -> PathBuf {
        let mut files = names(&self.folder());
        files.retain(|name| name != "key");
        assert_eq!(files.len(), 1, "{files:?}");
        self.folder().join(files.remove(0))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("text");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode is set");
}

#[tokio::test]
async fn what_was_compiled_is_kept_for_this_user_alone_and_needs_no_compiler() {
    let place = Place::new();
    assert!(!place.load_kept().await, "nothing is kept yet");
    place.load(Compiler::InProcess).await.expect("compiled");
    assert_eq!(mode(&place.folder()), 0o700);
    assert_eq!(mode(&place.kept()), 0o600);
    assert_eq!(mode(&place.folder().join("key")), 0o600);
    assert!(place.load_kept().await);
    fs::write(&place.file, Guest::handling(guests::PICKY).component()).expect("written");
    assert!(!place.load_kept().await, "another component");
}

#[tokio::test]
async fn a_component_that_is_refused_is_not_kept() {
    let place = Place::new();
    fs::write(&place.file, wat::parse_str("(component)").expect("text")).expect("written");
    place.load(Compiler::InProcess).await.expect_err("it is no plugin");
    assert_eq!(names(&place.folder()), ["key"]);
}

/// Something that happens to what is kept.
type Accident = (&'static str, fn(&Place));

fn change(place: &Place, change: fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(place.kept()).expect("read");
    change(&mut bytes);
    fs::write(place.kept(), bytes).expect("written");
}

#[tokio::test]
async fn every_defect_of_what_is_kept_means_to_compile_again() {
    let accidents: [Accident; 10] = [
        ("empty", |place| change(place, Vec::clear)),
        ("shorter than a seal", |place| change(place, |bytes| bytes.truncate(31))),
        ("cut off", |place| change(place, |bytes| bytes.truncate(bytes.len() - 1))),
        ("grown", |place| change(place, |bytes| bytes.push(0))),
        ("a bit of the code", |place| change(place, |bytes| bytes[5000] ^= 1)),
        ("a bit of the seal", |place| {
            change(place, |bytes| *bytes.last_mut().expect("not empty") ^= 1)
        }),
        ("readable by others", |place| set_mode(&place.kept(), 0o604)),
        ("another key", |place| fs::write(place.folder().join("key"), [7; 32]).expect("written")),
        ("a key that others know", |place| set_mode(&place.folder().join("key"), 0o640)),
        ("half a key", |place| fs::write(place.folder().join("key"), [7; 16]).expect("written")),
    ];
    for (what, happens) in accidents {
        let place = Place::new();
        place.load(Compiler::InProcess).await.expect("compiled");
        happens(&place);
        assert!(!place.load_kept().await, "{what}: it was taken");
        place.load(Compiler::InProcess).await.expect("compiled again");
        assert!(place.load_kept().await, "{what}: it is not whole again");
    }
}

#[tokio::test]
async fn what_is_kept_of_one_component_is_not_taken_for_another() {
    let place = Place::new();
    place.load(Compiler::InProcess).await.expect("compiled");
    let first = place.kept();
    fs::write(&place.file, Guest::handling(guests::PICKY).component()).expect("written");
    place.load(Compiler::InProcess).await.expect("compiled");
    let names = names(&place.folder());
    let second = names.iter().find(|name| *name != "key" && !first.ends_with(name));
    fs::copy(&first, place.folder().join(second.expect("the second"))).expect("copied");
    assert!(!place.load_kept().await);
}

#[tokio::test]
async fn a_folder_that_cannot_be_trusted_or_used_is_done_without() {
    let place = Place::new();
    fs::create_dir(place.folder()).expect("made");
    for writable in [0o770, 0o702] {
        set_mode(&place.folder(), writable);
        place.load(Compiler::InProcess).await.expect("compiled");
        assert_eq!(names(&place.folder()), [""; 0], "mode {writable:o}");
    }
    fs::remove_dir(place.folder()).expect("removed");
    fs::write(place.folder(), "a file in its place").expect("written");
    place.load(Compiler::InProcess).await.expect("compiled");
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let place = Place::new();
    fs::create_dir(place.folder()).expect("made");
    set_mode(&place.folder(), 0o700);
    assert!(Cache::open(&place.folder()).is_some());
    // Only root can give folders away. Everyone else finds one that is not theirs: the system's.
    let given = std::os::unix::fs::chown(place.folder(), Some(65_534), None).is_ok();
    let folder = if given { place.folder() } else { PathBuf::from("/etc") };
    assert!(Cache::open(&folder).is_none(), "{}", folder.display());
}

fn code(byte: u8) -> Code {
    Code::of_cache(vec![byte; 1000])
}

fn engine_print() -> Fingerprint {
    engine().fingerprint()
}

#[test]
fn code_for_another_engine_is_not_found() {
    let place = Place::new();
    let cache = Cache::open(&place.folder()).expect("a cache");
    let other = wasmtime::Engine::new(&wasmtime::Config::new()).expect("another engine");
    let component = Hash::of(b"a");
    cache.put(component, engine_print(), &code(1));
    assert!(cache.get(component, Fingerprint::of(&other)).is_none());
    let found = cache.get(component, engine_print()).expect("kept");
    assert_eq!(found.bytes(), [1; 1000]);
}

#[test]
fn what_was_not_used_for_longest_makes_room_and_nothing_else_does() {
    let place = Place::new();
    let [first, second, third] = [b"1", b"2", b"3"].map(|text| Hash::of(text));
    let kept = |cache: &Cache| {
        [first, second, third].map(|hash| cache.get(hash, engine_print()).is_some())
    };
    for (files, bytes) in [(2, 10_000), (100, 2_500)] {
        let cache = Cache::open(&place.folder()).expect("a cache").with_limits(files, bytes);
        let foreign = place.folder().join("holiday.jpg");
        fs::write(&foreign, [0; 5000]).expect("written");
        age(&foreign, 1);
        for hash in [first, second] {
            cache.put(hash, engine_print(), &code(1));
        }
        for name in names(&place.folder()) {
            age(&place.folder().join(name), 2);
        }
        assert!(cache.get(first, engine_print()).is_some(), "used just now");
        cache.put(third, engine_print(), &code(3));
        assert_eq!(kept(&cache), [true, false, true], "{files} files, {bytes} bytes");
        assert!(foreign.exists() && place.folder().join("key").exists());
        fs::remove_dir_all(place.folder()).expect("removed");
    }
}

#[test]
fn what_one_start_of_three_hundred_plugins_needs_is_kept_for_the_next() {
    let place = Place::new();
    let cache = Cache::open(&place.folder()).expect("a cache");
    let components: Vec<_> = (0_u16..300).map(|number| Hash::of(&number.to_le_bytes())).collect();
    for component in &components {
        cache.put(*component, engine_print(), &code(1));
    }
    let kept = |component: &&Hash| cache.get(**component, engine_print()).is_some();
    assert_eq!(components.iter().filter(kept).count(), 300);
}

/// Makes a file so many days old.
fn age(path: &Path, days: u64) {
    let at = SystemTime::now() - Duration::from_secs(days * 86_400);
    File::open(path).expect("opened").set_modified(at).expect("dated");
}
