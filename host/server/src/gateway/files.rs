//! How many connections fit into the files that the system lets this process open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::num::NonZeroUsize;
use tengen_settings::Limits;

/// Requests that may be under way at one time, before they are connections: where the limits allow more, this many.
const REQUESTS_MAX: usize = 4096;
/// And where they allow less: a few, or nobody could ask for anything.
const REQUESTS_MIN: usize = 64;
/// Kept for everything else that opens files: plugins and what they were granted, the admin listener, the collector.
const OTHERS: usize = 192;
/// With room for fewer connections, whoever runs the gateway is warned even where no number was set.
const FEW: usize = 1000;

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

    /// Room in this process, which takes as many files as it may; said when it is less than what was asked for.
    pub(super) fn here(wanted: NonZeroUsize, reads: bool) -> Self {
        let files = raise();
        let room = Self::new(wanted, files, reads);
        let (limit, asked) = (room.connections.get(), wanted.get());
        if room.connections >= wanted {
            return room;
        }
        match room.is_too_little_for(wanted) {
            true => tracing::warn!(
                limit,
                asked,
                files,
                "`limits.connections` is more than the system's limit of open files allows; raise that (`ulimit -n`, systemd's LimitNOFILE), or lower `limits.connections`"
            ),
            false => tracing::info!(
                limit,
                asked,
                files,
                "the system's limit of open files allows fewer connections than `limits.connections` is without being set"
            ),
        }
        room
    }

    /// Whether somebody has to do something: the number was set, or there is hardly room for anybody.
    fn is_too_little_for(self, wanted: NonZeroUsize) -> bool {
        wanted != Limits::default().connections || self.connections.get() < FEW
    }
}

/// Takes as many files as the system gives to who asks: shells and supervisors often set less, for old programs that keep a
/// bit for each. Returns the limit that holds then; none: without one.
fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current };
    files.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
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
    fn a_small_limit_is_a_warning_where_somebody_has_to_do_something() {
        let check = |wanted: usize, files, expected| {
            let wanted = NonZeroUsize::new(wanted).unwrap();
            assert_eq!(Room::new(wanted, Some(files), false).is_too_little_for(wanted), expected);
        };
        check(100_000, 20_000, false);
        check(50_000, 20_000, true);
        check(100_000, 1024, true);
    }

    #[test]
    fn a_request_that_may_read_a_file_has_two_descriptors() {
        let room = Room::new(NonZeroUsize::new(100_000).unwrap(), Some(1024), true);
        assert_eq!((room.connections.get(), room.requests), (1024 - 2 * 128 - 192, 128));
    }

    #[test]
    fn as_many_files_are_taken_as_there_may_be() {
        let before = getrlimit(Resource::Nofile);
        let files = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.maximum, before.maximum);
        assert_eq!(now.current.map(|now| usize::try_from(now).unwrap()), files);
        assert!(now.current >= before.current || now.current.is_none());
    }
}
