//! Opens files that others put in place: whatever stands there, opening and reading it ends, where the disk answers.

use rustix::fs::OFlags;
use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Opens a regular file. Anything else is an error: a pipe would make its reader wait for ever, a device never end.
pub fn open(file: &Path) -> io::Result<(File, Metadata)> {
    // Without waiting, as a pipe may come in the file's place at any time.
    let waitless = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(waitless).open(file)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "a pipe, a socket or a device" };
        return Err(io::Error::other(format!("it is {what}, not a file")));
    }
    Ok((opened, metadata))
}

/// The first bytes of a regular file, at most so many.
pub fn read(file: &Path, most: usize) -> io::Result<(Vec<u8>, Metadata)> {
    let (opened, metadata) = open(file)?;
    let expected = usize::try_from(metadata.len()).unwrap_or(most).min(most);
    let mut bytes = Vec::with_capacity(expected);
    opened.take(most as u64).read_to_end(&mut bytes)?;
    Ok((bytes, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{process::Command, time::Duration};

    /// Reads on a thread that is left behind when it waits for ever.
    fn read_in_time(file: &Path) -> io::Result<Vec<u8>> {
        let (done, result) = std::sync::mpsc::sync_channel(1);
        let file = file.to_owned();
        std::thread::spawn(move || done.send(read(&file, 4).map(|(bytes, _)| bytes)));
        result.recv_timeout(Duration::from_secs(20)).expect("opening and reading end")
    }

    #[test]
    fn only_regular_files_are_opened_and_no_more_than_asked_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = |file: &Path| read_in_time(file).expect_err("no regular file").to_string();
        assert!(said(folder.path()).contains("a directory"));
        assert!(said(Path::new("/dev/zero")).contains("a device"));
        let pipe = folder.path().join("pipe.wasm");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        assert!(said(&pipe).contains("a pipe"));
        let file = folder.path().join("file.wasm");
        std::fs::write(&file, b"123456").expect("written");
        assert_eq!(read_in_time(&file).expect("a file"), b"1234");
    }
}
