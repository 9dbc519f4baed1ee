//! How much memory there is: the machine's, or less where a control group says so.

use std::{fs, num::NonZeroUsize, path::Path};
use tengen_settings::Memory;

/// What is assumed where the system does not say.
const UNKNOWN: usize = 2 << 30;

/// What all connections may hold together, in bytes.
pub(super) fn resolve(memory: Memory) -> Memory {
    let Memory::Half = memory else { return memory };
    let all = available(Path::new("/"));
    if all.is_none() {
        tracing::warn!(
            assumed = UNKNOWN,
            "the system does not say how much memory it has; set `limits.memory`"
        );
    }
    let half = all.unwrap_or(UNKNOWN) / 2;
    tracing::debug!(bytes = half, "half of the memory is for what connections hold");
    Memory::Bytes(NonZeroUsize::new(half).unwrap_or(NonZeroUsize::MIN))
}

/// The least of what the machine has and of what this process's control groups give it; `root` is where files are.
fn available(root: &Path) -> Option<usize> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| total(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    groups.lines().filter_map(|line| group_limit(root, line)).chain(machine).min()
}

/// `MemTotal` of Linux's `meminfo`, in bytes.
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The least limit of a group and of those above it. A line is `number:controllers:path`; version 2 names no controllers.
fn group_limit(root: &Path, line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (folder, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // Inside a container the path may be the host's, and what is mounted only the part from the container's own group on.
    let paths = Path::new(path.trim_start_matches('/')).ancestors();
    let limit = |path: &Path| {
        let text = fs::read_to_string(root.join(folder).join(path).join(file)).ok()?;
        // Without a limit version 2 says `max`, and version 1 a number beyond every machine.
        text.trim().parse().ok()
    };
    paths.filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<usize>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(available(root.path()), expected, "{files:?}");
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:        1024 kB\nMemFree:          512 kB\n");

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        check(&[], None);
        check(&[MEMINFO], Some(1 << 20));
        let v2 = ("proc/self/cgroup", "0::/a/b\n");
        check(&[MEMINFO, v2], Some(1 << 20));
        check(&[MEMINFO, v2, ("sys/fs/cgroup/a/b/memory.max", "max\n")], Some(1 << 20));
        let inner = ("sys/fs/cgroup/a/b/memory.max", "500000\n");
        let outer = ("sys/fs/cgroup/a/memory.max", "400000\n");
        check(&[MEMINFO, v2, inner], Some(500_000));
        check(&[MEMINFO, v2, inner, outer], Some(400_000));
        check(&[MEMINFO, v2, ("sys/fs/cgroup/memory.max", "300000\n")], Some(300_000));
        let v1 = ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n");
        check(
            &[MEMINFO, v1, ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "200000\n")],
            Some(200_000),
        );
        check(
            &[MEMINFO, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")],
            Some(1 << 20),
        );
        check(
            &[MEMINFO, v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "100000\n")],
            Some(100_000),
        );
    }

    #[test]
    fn a_size_stays_what_it_is_and_half_becomes_one() {
        let size = Memory::Bytes(NonZeroUsize::new(77).unwrap());
        assert_eq!(resolve(size), size);
        assert!(matches!(resolve(Memory::Half), Memory::Bytes(bytes) if bytes.get() > 1 << 20));
    }
}
