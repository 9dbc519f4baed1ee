//! A panic is told in the log, by the way that nobody waits for. A process of its own: its hook and its log are the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};
use tengen_telemetry::log::{self, Format};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_a_line_of_the_log() {
    let page = Page::default();
    let settings = tengen_settings::Telemetry { level: "error".into(), ..Default::default() };
    let outlet = log::outlet(page.clone(), Format::Json).unwrap();
    assert!(log::install_on(&settings, Format::Json, outlet.clone()).unwrap());
    log::take_panics();
    std::thread::spawn(|| panic!("of the test's own")).join().unwrap_err();
    assert!(log::flush(Duration::from_secs(30)) && outlet.flush(Duration::from_secs(30)));
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line");
    assert_eq!(
        (&line["level"], &line["data"]["why"]),
        (&"error".into(), &"of the test's own".into())
    );
    assert!(line["data"]["at"].as_str().unwrap().contains("panics.rs:"), "{line}");
}
