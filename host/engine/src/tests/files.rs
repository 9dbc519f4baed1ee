//! Files that come in the place of a running plugin's: whatever they are, the running version goes on, and a good one
//! is taken.

use super::*;
use crate::{FileChange, Reloaded, Watch};
use std::{fs, path::Path, process::Command};

/// Four bytes of every component of [`version`], which nobody reads.
const MARK: &[u8] = b"0000";

/// A component that answers what it is asked; each number has bytes of its own.
fn version(number: usize) -> Vec<u8> {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let items = "(data (i32.const 9000) \"mark:0000\")";
        Guest { items, ..Guest::handling(guests::PICKY) }.component()
    });
    let at = base.windows(9).position(|bytes| bytes == b"mark:0000").expect("marked") + 5;
    let mut bytes = base.clone();
    bytes[at..at + MARK.len()].copy_from_slice(format!("{number:04}").as_bytes());
    bytes
}

/// A running plugin whose file is watched, as in a gateway.
struct Watched {
    running: Running,
    watch: Watch,
    asked: u32,
}

impl Watched {
    async fn start() -> Self {
        let patient = |settings: &mut settings::Plugin| settings.deadline = Duration::from_secs(5);
        let running = load(&version(0), patient).await.expect("it runs");
        let watch = Watch::new([running.file.clone()], None).expect("watched");
        Self { running, watch, asked: 0 }
    }

    fn file(&self) -> &Path {
        &self.running.file
    }

    /// What is told of the file next.
    async fn told(&mut self) -> FileChange {
        told(&mut self.watch).await
    }

    /// What comes of the next change.
    async fn follow(&mut self) -> Result<Reloaded, String> {
        follow(&mut self.watch, &self.running.plugin).await
    }

    /// The running version answers.
    async fn answers(&mut self) {
        self.asked += 1;
        self.running.offer(message(&connection(1), "a/b", "1", self.asked));
        assert_eq!(self.running.decided().await, [format!("r{}", self.asked)]);
    }

    /// The next change is refused with these words, and the running version goes on.
    async fn refused(&mut self, parts: &[&str]) -> String {
        let before = self.running.status();
        let why = self.follow().await.expect_err("no such file is taken");
        for part in parts {
            assert!(why.contains(part), "`{part}` is not in: {why}");
        }
        let status = self.running.status();
        assert_eq!(status.failed_reloads, before.failed_reloads + 1);
        assert_eq!((status.generation, status.revision), (before.generation, before.revision));
        assert!(status.last_error.expect("it is shown").message.ends_with(&why));
        self.answers().await;
        why
    }

    /// A good version is taken.
    async fn taken(&mut self) {
        let before = self.running.status().generation;
        let reloaded = self.follow().await.expect("a good version");
        assert!(
            matches!(reloaded, Reloaded::Replaced { generation, .. } if generation == before + 1),
            "{reloaded:?}"
        );
        self.answers().await;
    }

    fn write(&self, bytes: &[u8]) {
        // Beside it and renamed: nobody sees half of it.
        let beside = self.file().with_extension("part");
        fs::write(&beside, bytes).expect("written");
        fs::rename(&beside, self.file()).expect("renamed");
    }
}

async fn told(watch: &mut Watch) -> FileChange {
    timeout(Duration::from_secs(60), watch.next()).await.expect("a change is told")
}

/// What comes of the next change: the reload's result, or that the file is gone.
async fn follow(watch: &mut Watch, plugin: &Plugin) -> Result<Reloaded, String> {
    match told(watch).await {
        FileChange::Removed(_) => Err("removed".into()),
        FileChange::Written(_) => plugin.reload(None).await.map_err(|error| error.explain()),
    }
}

#[tokio::test]
async fn files_of_other_kinds_are_refused_by_kind_and_a_good_one_is_taken() {
    let mut watched = Watched::start().await;
    let text = |text: &str| wat::parse_str(text).expect("text");
    let precompiled = engine().wasm().precompile_component(&version(1)).expect("compiled");
    let newer = Guest::default().component_with(|wit| wit.replace("0.1.0", "0.2.0"));
    let kinds: [(&[u8], &[&str]); 8] = [
        (b"#!/bin/sh\n", &["not a WebAssembly component", "does not begin with"]),
        (b"(component)", &["text format", "wasm-tools parse"]),
        (&text("(module)"), &["core WebAssembly module, not a component"]),
        (&precompiled, &["a precompiled file", "only `.wasm`"]),
        (&text("(component)"), &["not a Tengen plugin", "tengen:gateway/plugin@0.1.0"]),
        (&newer, &["@0.2.0", "offers `tengen:gateway@0.1.0`", "rebuild"]),
        (&with_imports(1), &["imports `lot-0`", "no such interface"]),
        (&[&version(1)[..], &[1, 4, 255, 255, 255, 255]].concat(), &["is not valid"]),
    ];
    for (bytes, parts) in kinds {
        watched.write(bytes);
        watched.refused(parts).await;
    }
    watched.write(&version(1));
    watched.taken().await;
}

#[tokio::test]
async fn files_that_stay_unfinished_are_told_to_be_cut_off() {
    let mut watched = Watched::start().await;
    let whole = version(1);
    for bytes in [&whole[..whole.len() - 1], &whole[..6], &[]] {
        watched.write(bytes);
        let why = watched.refused(&[]).await;
        assert!(why.contains("cut off") || why.contains("the file is empty"), "{why}");
    }
    watched.write(&whole);
    watched.taken().await;
}

/// A component whose imports are that many resources: small, and nothing that any world offers.
fn with_imports(count: u32) -> Vec<u8> {
    let leb = |mut number: u32| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let mut section = leb(count);
    for number in 0..count {
        let name = format!("lot-{number}");
        // A plain name; a type, bound to be a resource.
        section.extend([&[0, name.len() as u8], name.as_bytes(), &[3, 1]].concat());
    }
    let size = u32::try_from(section.len()).expect("small");
    [version(1), vec![10], leb(size), section].concat()
}

#[tokio::test]
async fn ten_thousand_imports_are_refused_in_one_short_line() {
    let mut watched = Watched::start().await;
    watched.write(&with_imports(10_000));
    let why = watched.refused(&["lot-"]).await;
    assert!(why.len() < 300 && !why.contains('\n'), "{} bytes: {why}", why.len());
}

#[tokio::test]
async fn an_import_of_a_long_name_is_refused_in_one_short_line() {
    let mut watched = Watched::start().await;
    let long = format!("(component (import \"acme:{}/b@1.0.0\" (instance)))", "a".repeat(50_000));
    let long = wat::parse_str(&long).expect("text");
    let both = [version(1), long[8..].to_vec()].concat();
    watched.write(&both);
    let why = watched.refused(&[]).await;
    assert!(why.len() < 3000 && !why.contains('\n'), "{} bytes: {why}", why.len());
}

#[tokio::test]
async fn a_deleted_file_changes_nothing_and_is_taken_when_it_is_back() {
    let mut watched = Watched::start().await;
    fs::remove_file(watched.file()).expect("deleted");
    assert_eq!(watched.told().await, FileChange::Removed(watched.running.file.clone()));
    watched.answers().await;
    let why = watched.running.plugin.reload(None).await.expect_err("it is gone").explain();
    assert!(why.contains("cannot be read") && why.contains("No such file"), "{why}");
    watched.answers().await;
    watched.write(&version(1));
    watched.taken().await;
}

#[tokio::test]
async fn what_cannot_be_read_as_a_file_is_left_alone() {
    let mut watched = Watched::start().await;
    let file = watched.running.file.clone();
    let told = watched.told_of_what_is_no_file(|| fs::create_dir(&file)).await;
    assert!(told.contains("cannot be read") && told.contains("it is a directory"), "{told}");
    fs::remove_dir(&file).expect("removed");
    let pipe = || match Command::new("mkfifo").arg(&file).status()?.success() {
        true => Ok(()),
        false => Err(std::io::Error::other("mkfifo")),
    };
    let told = watched.told_of_what_is_no_file(pipe).await;
    assert!(told.contains("cannot be read") && told.contains("it is a pipe"), "{told}");
    fs::remove_file(&file).expect("removed");
    watched.write(&version(1));
    watched.taken().await;
}

impl Watched {
    /// Puts something in the file's place; what a reload then says.
    async fn told_of_what_is_no_file(
        &mut self,
        put: impl FnOnce() -> std::io::Result<()>,
    ) -> String {
        if self.file().exists() {
            fs::remove_file(self.file()).expect("deleted");
            assert_eq!(self.told().await, FileChange::Removed(self.running.file.clone()));
        }
        put().expect("put in its place");
        let reload = timeout(Duration::from_secs(60), self.running.plugin.reload(None));
        let why = reload.await.expect("it ends").expect_err("no file").explain();
        self.answers().await;
        why
    }
}

#[tokio::test]
async fn a_file_that_grows_slowly_is_taken_once_it_is_whole() {
    let mut watched = Watched::start().await;
    let whole = version(1);
    let file = watched.running.file.clone();
    // From beside: between two pieces the watch has time to look.
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut open = fs::File::create(&file).expect("open");
        for piece in whole.chunks(whole.len() / 4) {
            open.write_all(piece).expect("written");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    });
    let reloaded = watched.follow().await;
    writer.join().expect("all written");
    assert!(matches!(reloaded, Ok(Reloaded::Replaced { generation: 2, .. })), "{reloaded:?}");
    assert_eq!(watched.running.status().failed_reloads, 0);
    watched.answers().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_that_is_swapped_leads_to_the_new_version() {
    let mut watched = Watched::start().await;
    let folder = watched.file().parent().expect("a folder").to_owned();
    for number in 1..4 {
        let target = folder.join(format!("release-{number}"));
        fs::write(&target, version(number)).expect("written");
        let link = folder.join("link");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        fs::rename(&link, watched.file()).expect("swapped");
        watched.taken().await;
    }
    // A link that leads in a circle is no file.
    let link = folder.join("link");
    std::os::unix::fs::symlink(watched.file(), &link).expect("linked");
    fs::rename(&link, watched.file()).expect("swapped");
    assert_eq!(watched.told().await, FileChange::Removed(watched.running.file.clone()));
    watched.answers().await;
}

#[tokio::test]
async fn a_burst_of_changes_is_one_reload_of_the_last() {
    let mut watched = Watched::start().await;
    for number in 1..=300 {
        watched.write(&version(number));
    }
    watched.taken().await;
    // Nothing is left to be told: what comes next is what happens next.
    fs::remove_file(watched.file()).expect("deleted");
    assert_eq!(watched.told().await, FileChange::Removed(watched.running.file.clone()));
    watched.write(&version(300));
    assert_eq!(watched.follow().await, Ok(Reloaded::Unchanged), "the last of them runs");
    assert_eq!(watched.running.status().reloads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_under_load_loses_no_event_and_ends_with_the_last() {
    const CHANGES: usize = 300;
    let watched = Watched::start().await;
    let last = crate::compile::compiled::Hash::of(&version(CHANGES)).short();
    let file = watched.running.file.clone();
    let storm = std::thread::spawn(move || {
        let beside = file.with_extension("part");
        for number in 1..=CHANGES {
            fs::write(&beside, version(number)).expect("written");
            fs::rename(&beside, &file).expect("renamed");
            std::thread::park_timeout(Duration::from_millis(3));
        }
    });
    let Watched { mut running, mut watch, .. } = watched;
    let (plugin, peer) = (Arc::clone(&running.plugin), connection(1));
    let (mut asked, mut replies) = (0, Vec::new());
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    while running.status().revision != last {
        let next = follow(&mut watch, &plugin);
        tokio::pin!(next);
        loop {
            tokio::select! {
                result = &mut next => break drop(result.expect("every version is good")),
                _ = pace.tick() => {
                    asked += 1;
                    running.offer(message(&peer, "a/b", "1", asked));
                }
            }
        }
        while let Ok(acted) = running.acted.try_recv() {
            replies.extend(acted.decided);
        }
    }
    storm.join().expect("the storm is over");
    while replies.len() < asked as usize {
        replies.extend(running.decided().await);
    }
    assert_eq!(replies, (1..=asked).map(|number| format!("r{number}")).collect::<Vec<_>>());
    let status = running.status();
    assert!(status.reloads <= 100, "{} reloads for {CHANGES} changes", status.reloads);
    assert_eq!((status.failed_reloads, status.errors), (0, 0));
}
