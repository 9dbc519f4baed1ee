//! The breaker's rules, one table of happenings each.

use super::*;

/// `+n`: n events went well; `-c`: one of client c broke; `!`: nobody's broke; `>`: a second passes; `?`: the pause ends.
/// What is expected follows each: the phase it leaves.
#[track_caller]
fn check(happenings: &str, expected: Phase) -> Breaker {
    let mut breaker = Breaker::new(1);
    let mut second = 1000;
    for happening in happenings.split_whitespace() {
        let (what, rest) = happening.split_at(1);
        match what {
            "+" => {
                breaker.passed(second, rest.parse().expect("a number"));
            }
            "-" => {
                breaker.broke(second, Some(rest.parse().expect("a client")));
            }
            "!" => {
                breaker.broke(second, None);
            }
            ">" => second += rest.parse::<u64>().unwrap_or(1),
            "?" => {
                breaker.try_again();
            }
            other => panic!("what is `{other}`?"),
        }
    }
    assert_eq!(breaker.phase(), expected, "{happenings}");
    breaker
}

/// So many failures of as many clients.
fn many(count: u32) -> String {
    (1..=count).map(|client| format!("-{client} ")).collect()
}

#[test]
fn eight_failures_open_it_if_they_are_half_of_what_happened() {
    check("", Phase::Closed);
    check(&many(7), Phase::Closed);
    check(&many(8), Phase::Open);
    check(&format!("+8 {}", many(8)), Phase::Open);
    check(&format!("+9 {}", many(8)), Phase::Closed);
    check(&format!("+9 {}", many(9)), Phase::Open);
    check("! ! ! ! ! ! ! !", Phase::Open);
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    check(&format!("{} >9 -8", many(7)), Phase::Open);
    check(&format!("{} >10 -8", many(7)), Phase::Closed);
    check(&format!("+1000 >10 {}", many(8)), Phase::Open);
    check(&format!("+1000 >9 {}", many(8)), Phase::Closed);
    check(&format!("+1000 >3 +1 >3 +1 >4 {}", many(8)), Phase::Open);
}

#[test]
fn one_clients_failures_never_open_it() {
    check(&"-1 ".repeat(100), Phase::Closed);
    check(&"-1 -2 -3 ".repeat(100), Phase::Closed);
    check(&"-1 -2 -3 -4 ".repeat(2), Phase::Open);
}

#[test]
fn a_client_that_breaks_many_calls_is_to_be_left_alone() {
    let mut breaker = Breaker::new(1);
    let shunned = |breaker: &mut Breaker, second| breaker.broke(second, Some(1)).shun;
    assert_eq!((1..=9).map(|_| shunned(&mut breaker, 5)).collect::<Vec<_>>(), {
        let mut expected = vec![false; 7];
        expected.extend([true, true]);
        expected
    });
    assert!(!shunned(&mut breaker, 15), "it may try again");
    assert!(!breaker.broke(5, Some(2)).shun, "another one may too");
}

#[test]
fn trials_close_it_and_two_clients_failures_open_it_again() {
    let open = many(8);
    check(&format!("{open} +100"), Phase::Open);
    check(&format!("{open} ?"), Phase::HalfOpen);
    check(&format!("{open} ? +1 +1"), Phase::HalfOpen);
    check(&format!("{open} ? +1 +1 +1"), Phase::Closed);
    check(&format!("{open} ? -1 -1 -1"), Phase::HalfOpen);
    check(&format!("{open} ? -1 -2"), Phase::Open);
    check(&format!("{open} ? !"), Phase::Open);
    check(&format!("{open} ? +1 +1 -1 +1"), Phase::Closed);
    check(&format!("{open} ? -1 +1 +1 -2"), Phase::Open);
    check(&format!("{open} ? +3 {}", many(7)), Phase::Closed);
    check("?", Phase::Closed);
}

#[test]
fn pauses_double_spread_by_a_quarter_and_begin_anew_after_a_success() {
    let mut breaker = Breaker::new(seed());
    let opened = |breaker: &mut Breaker| {
        let pause = (1..=8).find_map(|_| breaker.broke(1, None).opened).expect("it opens");
        breaker.try_again();
        pause.as_millis()
    };
    for expected in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        let pause = opened(&mut breaker);
        assert!((expected * 3 / 4..=expected * 5 / 4).contains(&pause), "{pause} of {expected}");
        assert!(pause <= 30_000);
    }
    assert!(breaker.passed(1, 3), "it closes");
    assert!(opened(&mut breaker) < 320);
}

#[test]
fn two_breakers_do_not_try_again_at_the_same_time() {
    let pauses = |seed| {
        let mut pauses = Backoff::new(seed);
        (0..6).map(|_| pauses.next()).collect::<Vec<_>>()
    };
    assert_ne!(pauses(2), pauses(4));
}

#[test]
fn a_clock_that_is_set_back_does_not_freeze_the_window() {
    let mut breaker = Breaker::new(1);
    breaker.passed(100_000, 1000);
    assert_eq!((1..=8).filter_map(|client| breaker.broke(50, Some(client)).opened).count(), 1);
}

#[test]
fn a_crowd_of_clients_is_not_remembered_without_bound() {
    let mut breaker = Breaker::new(1);
    for client in 0..10_000 {
        breaker.broke(1, Some(client));
    }
    assert!(breaker.clients.len() <= CLIENTS);
}
