//! What our child processes have taken of the processors, those of theirs included.

use std::{fs, time::Duration};

/// The unit of these numbers, on all processors that Rust compiles this for (time(7)).
const USER_HZ: u64 = 100;

/// Of those that have ended and were waited for; none where the system does not say so (proc_pid_stat(5)).
pub(crate) fn of_children() -> Option<Duration> {
    let ticks = children(&fs::read_to_string("/proc/self/stat").ok()?)?;
    Some(Duration::from_millis(ticks * 1000 / USER_HZ))
}

/// `cutime` and `cstime` together: the 16th and 17th field. The second is a name in parentheses, which may hold anything.
fn children(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_children_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 300 45 20 0 1 0 99";
        assert_eq!(children(stat), Some(345));
        assert_eq!(children("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_was_waited_for_counts() {
        let before = of_children().expect("Linux says so");
        let script = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
        assert!(std::process::Command::new("sh").args(["-c", script]).status().unwrap().success());
        assert!(of_children().expect("still") > before);
    }
}
