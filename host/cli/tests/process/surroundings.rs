//! A machine that gives too little: full disks, few open files, collectors that do not answer.

use super::{Gateway, PROGRAM, SERVE, guest, tengen, text, write};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

/// Commands after which no file can grow: like a full disk, without needing one.
#[cfg(target_os = "linux")]
const FULL: &str = "trap '' XFSZ && ulimit -f 0";

#[cfg(target_os = "linux")]
#[test]
fn a_port_file_that_does_not_fit_on_the_disk_is_told_and_nothing_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{FULL} && exec \"$0\" \"$@\"")).arg(PROGRAM);
    shell.args(SERVE).args(["--port-file", file.to_str().unwrap()]);
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.contains("cannot write the port file"), "{errors}");
    assert!(
        errors.contains(file.to_str().unwrap()) && errors.contains("File too large"),
        "{errors}"
    );
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "half a port file is worse than none");
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_file_that_does_not_fit_on_the_disk_is_done_without() {
    let gateway = Gateway::start_after(FULL, &[]);
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("state file not written"), "{errors}");
}

// Each of these ended the gateway.
#[test]
fn a_mistake_in_a_telemetry_variable_is_an_error_line_and_the_gateway_serves() {
    let mut command = tengen(SERVE);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318").env("TENGEN_LOG", "a=b=c");
    let gateway = Gateway::spawn(command);
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    let told = gateway.admin("/stats")["telemetry"]["no_spans"].to_string();
    assert!(told.contains("localhost:4318") && told.contains("has no scheme"), "{told}");
    gateway.signal("-TERM");
    let (code, errors) = gateway.ended();
    assert_eq!(code, Some(0), "{errors}");
    let said =
        |words: &[&str]| errors.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(said(&["\"error\"", "no traces are sent", "has no scheme"]), "{errors}");
    assert!(said(&["\"error\"", "TENGEN_LOG", "a=b=c"]), "{errors}");
}

/// Two users of one machine: the other one has laid links where this one's gateway writes.
// A file of root's was overwritten through such a link.
#[test]
fn links_that_lie_where_the_gateway_writes_lead_it_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (file, precious) = (folder.path().join("port"), folder.path().join("precious"));
    fs::write(&precious, "theirs").unwrap();
    for name in ["port", "port.part", "port.state", "port.state.part"] {
        std::os::unix::fs::symlink(&precious, folder.path().join(name)).unwrap();
    }
    let gateway = Gateway::start(&["--port-file", file.to_str().unwrap()]);
    let port = fs::read_to_string(&file).unwrap();
    assert!(gateway.address.ends_with(&format!(":{}", port.trim())), "{port}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "theirs");
    gateway.signal("-TERM");
    assert_eq!(gateway.ended().0, Some(0));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "theirs");
}

/// Commands that let files grow to a size and no further, and that size: like a full disk, without needing one. What a
/// running plugin's memory is made of are files as well, so it is not too small.
#[cfg(target_os = "linux")]
fn small_files() -> (&'static str, u64) {
    let commands = "trap '' XFSZ && ulimit -f 32768";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{commands} && cat /proc/self/limits"));
    let limits = text(&shell.output().unwrap().stdout);
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
    (commands, line.split_whitespace().next().unwrap().parse().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_sink_on_a_full_disk_costs_its_records_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let config = format!(
        "[plugin.log-sink]\nfile = {:?}\n\
         grant = {{ dirs = [{{ host = \"logs\", guest = \"/logs\", writable = true }}] }}\n\
         [[sink]]\nkind = \"plugin\"\nplugin = \"log-sink\"\nbuffer = 4\n[telemetry]\nlevel = \"debug\"\n",
        guest("log-sink.wasm")
    );
    let file = write(folder.path(), &config);
    // The sink continues an older file that has all but reached the limit.
    let (commands, limit) = small_files();
    let log = fs::File::create(logs.join("tengen.jsonl")).unwrap();
    log.set_len(limit - 10).unwrap();
    let mut gateway = Gateway::start_after(commands, &["--config", &file]);
    let lines = gateway.log();
    let reader = std::thread::spawn(move || lines.count());
    let started = Instant::now();
    loop {
        // Each of these is a connection, and so a few records.
        let answer = gateway.ask("a/b 7");
        let told = text(&answer.stdout) + &text(&answer.stderr);
        assert!(told.contains("unknown-event"), "nobody handles it: {told}");
        let stats = gateway.admin("/stats");
        let sink = stats["telemetry"]["sinks"]["log-sink"].clone();
        // It is asked again and again, and what finds no place meanwhile is counted.
        let lost = sink["dropped"]["queue_full"].as_u64().unwrap_or(0);
        if lost > 0 && sink["retries"].as_u64().unwrap_or(0) > 0 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(40), "no loss in {stats}");
    }
    assert!(log.metadata().unwrap().len() <= limit);
    gateway.signal("-TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    assert!(reader.join().unwrap() > 0);
}

pub(super) fn upgrade(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .unwrap();
    stream
}

#[test]
fn a_sente_client_that_says_nothing_is_asked_for_its_packer() {
    let mut gateway = Gateway::start(&[]);
    let mut log = gateway.log();
    let mut silent = upgrade(&gateway.address, "/chsk?client-id=c1");
    assert_eq!(status(&mut silent), "HTTP/1.1 101");
    drop(silent);
    assert!(log.any(|line| line.contains("has its packer the endpoint's `format`")));
}

/// The status of the answer to an upgrade.
pub(super) fn status(stream: &mut TcpStream) -> String {
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn connections_are_no_more_than_the_file_limit_allows_and_that_is_said() {
    let mut gateway = Gateway::start_after("ulimit -n 300", &[]);
    let warned = gateway.log().find(|line| line.contains("limits.connections"));
    assert!(warned.expect("a warning").contains("ulimit -n"));
    let limit = gateway.admin("/stats")["connections"]["limit"].as_u64().unwrap();
    assert_eq!(limit, 300 - 64 - 192);
    let mut open: Vec<_> = (0..limit).map(|_| upgrade(&gateway.address, "/raw")).collect();
    for stream in &mut open {
        assert_eq!(status(stream), "HTTP/1.1 101");
    }
    assert_eq!(status(&mut upgrade(&gateway.address, "/raw")), "HTTP/1.1 503");
    drop(open);
}

// A limit that the process may raise itself is nobody's to be warned of.
#[cfg(target_os = "linux")]
#[test]
fn a_soft_limit_of_files_is_raised() {
    let gateway = Gateway::start_after("ulimit -Sn 300 && ulimit -Hn 2000", &[]);
    let limit = gateway.admin("/stats")["connections"]["limit"].as_u64().unwrap();
    assert_eq!(limit, 2000 - 250 - 192);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("2000"), "{files}");
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_free_file_accepting_pauses_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[limits]\nunauthenticated = \"1s\"\n");
    // Enough to start, and less than the requests that may be under way.
    let mut gateway = Gateway::start_after("ulimit -n 50", &["--config", &file]);
    let mut log = gateway.log();
    let silent: Vec<_> =
        (0..80).filter_map(|_| TcpStream::connect(&gateway.address).ok()).collect();
    let failed = log.find(|line| line.contains("accepting a connection failed"));
    assert!(failed.expect("it says so").contains("Too many open files"));
    let started = Instant::now();
    // The silent ones are cut off, and the next are let in.
    let mut between = Vec::new();
    let again = log.find(|line| {
        between.push(line.clone());
        line.contains("accepted again")
    });
    let again = again.expect("it goes on");
    assert!(
        between.iter().all(|line| !line.contains("accepting a connection failed")),
        "said more than once: {between:?}"
    );
    let (_, tries) = again.split_once("\"failed\":").unwrap();
    let tries: u128 = tries.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    assert!(tries <= started.elapsed().as_millis() / 40 + 10, "it does not pause: {again}");
    drop(silent);
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "it serves on");
}

/// Resident memory of a process, in bytes.
pub(super) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[cfg(target_os = "linux")]
#[test]
fn a_header_that_claims_much_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[limits]\nmessage = \"32MiB\"\n");
    let gateway = Gateway::start(&["--config", &file]);
    let before = resident(gateway.child.id());
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = upgrade(&gateway.address, "/raw");
        assert_eq!(status(&mut stream), "HTTP/1.1 101");
        // A masked text frame of 32 MiB, of which nothing but the header comes.
        let header = [&[0x81, 0xff][..], &(32_u64 << 20).to_be_bytes(), &[1, 2, 3, 4], b"begin"];
        stream.write_all(&header.concat()).unwrap();
        streams.push(stream);
    }
    // An answered event comes after all of it was read, or at least accepted.
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    let grown = resident(gateway.child.id()).saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB for 50 headers", grown >> 20);
}

#[test]
fn a_collector_that_hangs_or_refuses_holds_up_neither_events_nor_the_end() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [hanging.local_addr().unwrap(), refusing.local_addr().unwrap()];
    drop(refusing);
    for address in addresses {
        for protocol in ["grpc", "http/protobuf"] {
            let folder = tempfile::tempdir().unwrap();
            let config = format!(
                "[server]\ndrain = {{ deadline = \"4s\" }}\n\
                 [telemetry]\notlp = {{ endpoint = \"http://{address}\", protocol = \"{protocol}\" }}\n"
            );
            let file = write(folder.path(), &config);
            let gateway = Gateway::start(&["--config", &file]);
            for _ in 0..3 {
                assert_eq!(gateway.ask("a/b 7").status.code(), Some(0), "{address} {protocol}");
            }
            let spans = gateway.admin("/stats")["telemetry"]["spans"].clone();
            assert!(spans["ended"].as_u64().unwrap() >= 3, "{spans}");
            let started = Instant::now();
            gateway.signal("-TERM");
            let (code, errors) = gateway.ended();
            assert_eq!(code, Some(0), "{errors}");
            assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
            assert!(errors.contains("spans_lost"), "what was lost is said: {errors}");
        }
    }
}
