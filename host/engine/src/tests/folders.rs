//! Folders that are granted: what in them a guest can open.

use super::{
    hostile::{effect, on_messages},
    *,
};
use std::process::Command;

const CLOCKS: &str = "package wasi:clocks@0.2.0;
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } }";

const FILES: &str = "package wasi:filesystem@0.2.0;
    interface types {
      use wasi:clocks/wall-clock@0.2.0.{datetime};
      variant new-timestamp { no-change, now, timestamp(datetime) }
      flags path-flags { symlink-follow }
      flags open-flags { create, directory, exclusive, truncate }
      flags descriptor-flags {
        read, write, file-integrity-sync, data-integrity-sync, requested-write-sync, mutate-directory,
      }
      enum error-code {
        access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
        illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop, too-many-links, message-size,
        name-too-long, no-device, no-entry, no-lock, insufficient-memory, insufficient-space, not-directory, not-empty,
        not-recoverable, unsupported, no-tty, no-such-device, overflow, not-permitted, pipe, read-only, invalid-seek,
        text-file-busy, cross-device,
      }
      resource descriptor {
        open-at: func(path-flags: path-flags, path: string, open-flags: open-flags, %flags: descriptor-flags)
          -> result<descriptor, error-code>;
        set-times-at: func(path-flags: path-flags, path: string, data-access-timestamp: new-timestamp,
          data-modification-timestamp: new-timestamp) -> result<_, error-code>;
      }
    }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }";

const WORLD: &str = "import tengen:gateway/signals@0.1.0;
    import wasi:filesystem/types@0.2.0; import wasi:filesystem/preopens@0.2.0;
    export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;";

const IMPORTS: &str = r#"
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
    (func $open (param i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-times-at"
    (func $set_times (param i32 i32 i32 i32 i32 i64 i32 i32 i64 i32 i32)))"#;

const READ: u32 = 1;
const WRITE: u32 = 2;
const FOLLOW: u32 = 1;
const NOT_PERMITTED: u32 = 31;

/// Opens the name of `len` bytes at `at`, and traps unless it comes to this.
fn opens(name: (u32, u32), links: u32, what: u32, error: Option<u32>) -> String {
    let (at, len) = name;
    let expected = match error {
        None => "(if (i32.load8_u (i32.const 416)) (then unreachable))".to_owned(),
        Some(error) => format!(
            "(if (i32.eqz (i32.load8_u (i32.const 416))) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const 420)) (i32.const {error})) (then unreachable))"
        ),
    };
    format!(
        "(call $directories (i32.const 400))
         (call $open (i32.load (i32.load (i32.const 400))) (i32.const {links}) (i32.const {at}) (i32.const {len})
           (i32.const 0) (i32.const {what}) (i32.const 416))
         {expected}"
    )
}

/// Gives what the name leads to, links followed, the time it is written at: a second after 1970 began. Traps unless it comes
/// to this.
fn touches(name: (u32, u32), error: Option<u32>) -> String {
    let (at, len) = name;
    let expected = match error {
        None => "(if (i32.load8_u (i32.const 416)) (then unreachable))".to_owned(),
        Some(error) => format!(
            "(if (i32.eqz (i32.load8_u (i32.const 416))) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const 417)) (i32.const {error})) (then unreachable))"
        ),
    };
    format!(
        "(call $directories (i32.const 400))
         (call $set_times (i32.load (i32.load (i32.const 400))) (i32.const {FOLLOW}) (i32.const {at}) (i32.const {len})
           (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 2) (i64.const 1) (i32.const 0) (i32.const 416))
         {expected}"
    )
}

/// Runs this code at a message, with a folder that has a pipe `wat`, a file `k`, and a link `1.0` to the pipe: names that
/// every guest has in its memory. The code leads to an effect when it does not trap.
async fn tries(code: &str) -> tempfile::TempDir {
    let code = format!("{code} {}", effect(5, &[1, 3000, 0, 0]));
    let packages = &[CLOCKS, FILES];
    let guest = Guest { world: WORLD, imports: IMPORTS, packages, ..on_messages(&code) };
    let folder = tempfile::tempdir().expect("a folder");
    let (host, guests_name) = (folder.path().to_owned(), "/files".to_owned());
    let fifo = host.join("wat");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    std::fs::write(host.join("k"), "content").expect("written");
    std::os::unix::fs::symlink("wat", host.join("1.0")).expect("linked");
    let mut running = load(&guest.component(), |settings| {
        settings.deadline = Duration::from_secs(2);
        let granted = settings::Directory { host, guest: guests_name, writable: true };
        settings.grant.dirs = vec![granted];
    })
    .await
    .expect("the guest runs");
    running.offer(message(&connection(1), "a/b", "1", 1));
    let decided = running.decided().await;
    // Lets go of whoever waits for the pipe after all, or this test would not end.
    let both_ends = std::fs::OpenOptions::new().read(true).write(true).open(&fifo);
    assert_eq!(decided, ["close 3000"], "{:?}", running.status().last_error);
    drop(both_ends);
    folder
}

const PIPE: (u32, u32) = (1024, 3);
const FILE: (u32, u32) = (1064, 1);
const LINK: (u32, u32) = (1032, 3);

// Each call left a thread behind that waited for the pipe's other end.
#[tokio::test]
async fn a_pipe_in_a_granted_folder_is_refused_at_once() {
    let code = [
        opens(PIPE, 0, READ, Some(NOT_PERMITTED)),
        opens(PIPE, 0, WRITE, Some(NOT_PERMITTED)),
        opens(LINK, FOLLOW, READ, Some(NOT_PERMITTED)),
        opens(FILE, 0, READ, None),
        opens(FILE, FOLLOW, WRITE, None),
    ];
    tries(&code.concat()).await;
}

#[tokio::test]
async fn setting_the_times_of_a_pipe_waits_for_nobody_either() {
    let code = [
        touches(PIPE, Some(NOT_PERMITTED)),
        touches(LINK, Some(NOT_PERMITTED)),
        touches(FILE, None),
    ];
    let folder = tries(&code.concat()).await;
    let written = std::fs::metadata(folder.path().join("k")).and_then(|file| file.modified());
    let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    assert_eq!(written.expect("a time"), expected);
}
