//! Streams that take nothing, little, or only later.

use super::*;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream does with one write.
type Answer = Box<dyn FnMut(&[u8]) -> io::Result<usize> + Send>;

/// A stream that answers as the test says, and what it has taken.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

struct Stream {
    page: Page,
    answer: Answer,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = (self.answer)(bytes)?;
        self.page.0.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn outlet(&self, answer: impl FnMut(&[u8]) -> io::Result<usize> + Send + 'static) -> Outlet {
        let stream = Stream { page: self.clone(), answer: Box::new(answer) };
        Outlet::start(stream, |lost| format!("lost {lost}\n")).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A stream that takes nothing before the sender is gone.
fn halted() -> (SyncSender<()>, impl FnMut(&[u8]) -> io::Result<usize> + Send + 'static) {
    let (go, gone): (_, Receiver<()>) = sync_channel(0);
    let wait = move |bytes: &[u8]| {
        gone.recv().unwrap_or_default();
        Ok(bytes.len())
    };
    (go, wait)
}

fn say(outlet: &Outlet, text: &str) {
    writeln!(outlet.pen(), "{text}").unwrap();
}

#[test]
fn nobody_waits_for_a_stream_that_takes_nothing_and_the_loss_is_told() {
    let (page, (go, answer)) = (Page::default(), halted());
    let outlet = page.outlet(answer);
    let before = lost_lines();
    let said = LINES + 500;
    (0..said).for_each(|number| say(&outlet, &number.to_string()));
    assert!(!outlet.flush(Duration::from_millis(1)), "it is halted");
    drop(go);
    assert!(outlet.flush(PATIENCE));
    let mut lines = page.lines();
    let told = lines.iter().position(|line| line.starts_with("lost")).expect("it is told");
    let lost: usize = lines.remove(told).strip_prefix("lost ").unwrap().parse().unwrap();
    let kept: Vec<_> = (0..said - lost).map(|number| number.to_string()).collect();
    assert_eq!(lines, kept, "those that were said first, in their order");
    assert!((499..=500).contains(&lost), "{lost}");
    assert!(lost_lines() - before >= lost as u64);
}

#[test]
fn what_waits_is_bounded_in_bytes_too() {
    let (page, (go, answer)) = (Page::default(), halted());
    let outlet = page.outlet(answer);
    let long = "x".repeat(BYTES / 4);
    (0..20).for_each(|_| say(&outlet, &long));
    drop(go);
    assert!(outlet.flush(PATIENCE));
    let kept = page.lines().iter().filter(|line| **line == long).count();
    assert_eq!(kept, 3, "four of them, with their ends, are more than may wait");
}

#[test]
fn a_stream_that_refuses_costs_its_lines_and_is_told_of_them_when_it_takes_some_again() {
    let page = Page::default();
    let mut writes = 0;
    let outlet = page.outlet(move |bytes| {
        writes += 1;
        if writes <= 3 { Err(io::Error::other("the disk is full")) } else { Ok(bytes.len()) }
    });
    for number in 1..=5 {
        say(&outlet, &number.to_string());
        assert!(outlet.flush(PATIENCE), "what is refused does not wait");
    }
    assert_eq!(page.lines(), ["4", "lost 3", "5"]);
}

#[test]
fn a_line_that_was_taken_in_part_does_not_run_into_the_next() {
    let page = Page::default();
    let mut writes = 0;
    let outlet = page.outlet(move |bytes| {
        writes += 1;
        match writes {
            1 => Ok(3),
            2 => Err(io::Error::other("the disk is full")),
            _ => Ok(bytes.len()),
        }
    });
    for line in ["abcdef", "next"] {
        say(&outlet, line);
        assert!(outlet.flush(PATIENCE));
    }
    assert_eq!(page.lines(), ["abc", "next", "lost 1"]);
}

#[test]
fn a_stream_that_takes_nothing_rather_than_wait_is_tried_again() {
    let page = Page::default();
    let mut writes = 0;
    let outlet = page.outlet(move |bytes| {
        writes += 1;
        match writes % 3 {
            1 => Err(io::ErrorKind::WouldBlock.into()),
            2 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(bytes.len().min(4)),
        }
    });
    say(&outlet, "0123456789");
    assert!(outlet.flush(PATIENCE));
    assert_eq!(page.lines(), ["0123456789"]);
}

#[test]
fn while_lines_are_lost_all_the_time_it_is_told_now_and_then() {
    let shared = Shared::default();
    shared.lock().lose();
    assert!(matches!(shared.next(), Next::Tell(1)), "at once");
    shared.wrote(0, 0, true);
    shared.lock().lose();
    shared.lock().lines.push_back(b"line\n".to_vec());
    assert!(matches!(shared.next(), Next::Write(_)), "not with every line");
    shared.wrote(5, 0, true);
    let pause = shared.lock().before_telling().expect("it will be told");
    assert!(pause > Duration::ZERO && pause <= TELL_EVERY);
    assert!(matches!(shared.next(), Next::Tell(1)), "without another line, too");
}

#[test]
fn what_was_said_is_written_when_the_last_who_may_say_something_is_gone() {
    let (page, (go, answer)) = (Page::default(), halted());
    let outlet = page.outlet(answer);
    (0..100).for_each(|number| say(&outlet, &number.to_string()));
    let thread = Arc::downgrade(&outlet.0.0);
    drop((outlet, go));
    while thread.upgrade().is_some() {
        std::thread::yield_now();
    }
    assert_eq!(page.lines().len(), 100);
}
