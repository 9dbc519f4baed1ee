//! Folders that are granted: what in them a guest can open.

use super::{
    hostile::{effect, on_messages},
    *,
};
use std::process::Command;

const FILES: &str = "package wasi:filesystem@0.2.0;
    interface types {
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
      }
    }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }";

const WORLD: &str = "import tengen:gateway/signals@0.1.0;
    import wasi:filesystem/types@0.2.0; import wasi:filesystem/preopens@0.2.0;
    export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;";

const IMPORTS: &str = r#"
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
  (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
    (func $open (param i32 i32 i32 i32 i32 i32 i32)))"#;

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

// Issue 10: each call left a thread behind that waited for the pipe's other end.
#[tokio::test]
async fn a_pipe_in_a_granted_folder_is_refused_at_once() {
    // Names that every guest has in its memory.
    let (pipe, file, link) = ((1024, 3), (1064, 1), (1032, 3));
    let code = [
        opens(pipe, 0, READ, Some(NOT_PERMITTED)),
        opens(pipe, 0, WRITE, Some(NOT_PERMITTED)),
        opens(link, FOLLOW, READ, Some(NOT_PERMITTED)),
        opens(file, 0, READ, None),
        effect(6, &[1, 3000, 0, 0]),
    ];
    let packages = &[FILES];
    let guest = Guest { world: WORLD, imports: IMPORTS, packages, ..on_messages(&code.concat()) };
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
}
