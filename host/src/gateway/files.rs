//! How many connections fit into the files that the system lets this process open.

use std::{fs, num::NonZeroUsize};

/// Requests that may be under way at one time, before they are connections: where the limits allow more, this many.
const REQUESTS_MAX: usize = 4096;
/// And where they allow less: a few, or nobody could ask for anything.
const REQUESTS_MIN: usize = 64;
/// Kept for everything else that opens files: plugins and what they were granted, the admin listener, the collector.
const OTHERS: usize = 192;

/// What fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Most connections: those asked for, or as many as fit.
    pub(super) connections: NonZeroUsize,
    /// Most requests that are under way at one time.
    pub(super) requests: usize,
}

impl Room {
    /// Room for so many connections where so many files may be open; none: without a limit that we know. `reads`: what a
    /// request asks for may be a file.
    pub(super) fn new(wanted: NonZeroUsize, files: Option<usize>, reads: bool) -> Self {
        let files = files.unwrap_or(usize::MAX);
        let requests = wanted.get().min(files / 8).clamp(REQUESTS_MIN, REQUESTS_MAX);
        let opened = requests * if reads { 2 } else { 1 };
        let left = files.saturating_sub(opened + OTHERS);
        let connections = wanted.min(NonZeroUsize::new(left).unwrap_or(NonZeroUsize::MIN));
        Self { connections, requests }
    }

    /// Room in this process; a warning when it is less than what was asked for.
    pub(super) fn here(wanted: NonZeroUsize, reads: bool) -> Self {
        let files = fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text));
        let room = Self::new(wanted, files, reads);
        if room.connections < wanted {
            tracing::warn!(
                limit = room.connections.get(),
                asked = wanted.get(),
                files,
                "`limits.connections` is more than the system's limit of open files allows; raise that (`ulimit -n`, systemd's LimitNOFILE), or lower `limits.connections`"
            );
        }
        room
    }
}

/// The limit that holds, from the text that Linux gives; none when there is none.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: usize, files: Option<usize>, connections: usize, requests: usize) {
        let room = Room::new(NonZeroUsize::new(wanted).unwrap(), files, false);
        assert_eq!((room.connections.get(), room.requests), (connections, requests));
    }

    #[test]
    fn connections_requests_and_the_rest_fit_into_the_limit() {
        check(100_000, None, 100_000, 4096);
        check(100_000, Some(1_048_576), 100_000, 4096);
        check(100_000, Some(20_000), 20_000 - 2500 - 192, 2500);
        check(100_000, Some(1024), 1024 - 128 - 192, 128);
        check(500, Some(1024), 500, 128);
        check(8, Some(1024), 8, 64);
        check(100_000, Some(64), 1, 64);
    }

    #[test]
    fn a_request_that_may_read_a_file_has_two_descriptors() {
        let room = Room::new(NonZeroUsize::new(100_000).unwrap(), Some(1024), true);
        assert_eq!((room.connections.get(), room.requests), (1024 - 2 * 128 - 192, 128));
    }

    #[test]
    fn the_limit_that_holds_is_the_first_of_the_two() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             unlimited            unlimited            processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(open_files(&text.replace("1024 ", "unlimited ")), None);
        assert_eq!(open_files(""), None);
    }
}
