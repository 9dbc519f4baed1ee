//! Debug information that is small enough to read, and what becomes of it when it is not as it should be.

use super::*;
use std::time::Duration;

/// `divide` in `src/lib.rs`: all of the first 256 bytes of code are of line 7.
struct Written {
    abbreviations: Vec<u8>,
    info: Vec<u8>,
    line: Vec<u8>,
}

/// What stands behind its own length.
fn measured(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("it is small");
    [&length.to_le_bytes()[..], content].concat()
}

impl Written {
    /// With a function of this name.
    fn of(name: &str) -> Self {
        // A unit with its lines, beginning and size, and in it a function with its name, beginning and size.
        let unit = [1, 0x11, 1, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0];
        let function = [2, 0x2e, 0, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0];
        let (from, size) = ([0; 4], [0, 1, 0, 0]);
        // Version 4, the first abbreviations, addresses of four bytes.
        let head = [4, 0, 0, 0, 0, 0, 4];
        let name = [name.as_bytes(), &[0]].concat();
        let info =
            [&head[..], &[1, 0, 0, 0, 0], &from, &size, &[2], &name, &from, &size, &[0]].concat();
        let files = [
            &[1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1][..],
            b"src\0\0lib.rs\0",
            &[1, 0, 0, 0],
        ]
        .concat();
        // From address 0 on six lines further, 256 bytes, the end.
        let program = [0, 5, 2, 0, 0, 0, 0, 3, 6, 1, 2, 0x80, 2, 0, 1, 1];
        let line = [&[4, 0][..], &measured(&files), &program].concat();
        Self {
            abbreviations: [&unit[..], &function, &[0]].concat(),
            info: measured(&info),
            line: measured(&line),
        }
    }

    fn component(&self) -> Vec<u8> {
        let sections = [
            (".debug_abbrev", &self.abbreviations),
            (".debug_info", &self.info),
            (".debug_line", &self.line),
        ];
        let custom = sections.map(|(name, bytes)| {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            format!("(@custom \"{name}\" \"{bytes}\")")
        });
        let text = format!("(component (core module (func nop nop nop nop) {}))", custom.concat());
        wat::parse_str(text).expect("it parses")
    }
}

/// What is found of the third byte of code.
fn found(component: &[u8], within: Duration) -> (Vec<Place>, Result<(), &'static str>) {
    let code = modules(component).first().expect("a module").code.start;
    let at = u32::try_from(code + 2).expect("it is small");
    let (mut found, end) = find(component, &[at], Instant::now() + within);
    (found.remove(&at).unwrap_or_default(), end)
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_place_has_its_function_file_and_line() {
    let component = Written::of("divide").component();
    assert!(has_any(&component));
    let place = Place {
        function: Some("divide".to_owned()),
        file: Some("src/lib.rs".to_owned()),
        line: Some(7),
    };
    assert_eq!(found(&component, LONG), (vec![place], Ok(())));
    assert!(!has_any(&wat::parse_str("(component (core module (func)))").expect("it parses")));
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let (places, end) = found(&Written::of("divide").component(), Duration::ZERO);
    assert_eq!((places.len(), end), (0, Err("its debug information takes too long to read")));
}

#[test]
fn information_of_more_than_so_many_bytes_is_not_read() {
    let mut written = Written::of("divide");
    written.abbreviations.resize((1 << 20) + 1, 0);
    let (places, end) = found(&written.component(), LONG);
    assert_eq!((places.len(), end), (0, Err("its debug information is too large to be read")));
    written.abbreviations.pop();
    assert_eq!(found(&written.component(), LONG).1, Ok(()));
}

#[test]
fn of_a_name_no_more_is_taken_than_is_shown() {
    let (places, _) = found(&Written::of(&"x".repeat(1 << 20)).component(), LONG);
    let shown = places.first().and_then(|place| place.function.as_deref()).expect("a name");
    assert_eq!(shown.len(), super::super::SHOWN + '…'.len_utf8());
    let (places, _) = found(&Written::of("fold<alloc::vec::Vec<u8>>").component(), LONG);
    assert_eq!(places[0].function.as_deref(), Some("fold"));
}

/// Each byte in turn is another one: nothing of it is believed, and nothing takes long or much.
#[test]
fn whatever_the_information_says_a_search_ends_and_gives_little() {
    let good = Written::of("divide");
    for section in 0..3 {
        for place in 0..[&good.abbreviations, &good.info, &good.line][section].len() {
            for change in [0x01, 0x0f, 0x80, 0xff] {
                let mut bad = Written::of("divide");
                let sections = [&mut bad.abbreviations, &mut bad.info, &mut bad.line];
                sections.into_iter().nth(section).expect("one of three")[place] ^= change;
                let (places, _) = found(&bad.component(), LONG);
                assert!(places.len() <= DEPTH, "{section} {place}");
            }
        }
    }
}
