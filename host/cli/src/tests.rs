//! Command lines, and what they print.

use super::*;
use clap::CommandFactory;
use std::{
    io::Cursor,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line in an environment of its own; its exit, results and notes.
async fn tengen(args: &[&str]) -> (Exit, String, String) {
    let (out, err) = (Written::default(), Written::default());
    let nowhere = tempfile::tempdir().unwrap();
    let folder = nowhere.path().to_str().unwrap().to_owned();
    let io = Io {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(Cursor::new(Vec::new())),
        env: Box::new(move |name| (name == "XDG_RUNTIME_DIR").then(|| folder.clone())),
        compiler: Compiler::InProcess,
    };
    let exit = run(["tengen"].iter().chain(args).map(Into::into), io).await;
    let text = |written: Written| String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (exit, text(out), text(err))
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn the_command_line_holds_together() {
    Cli::command().debug_assert();
}

#[track_caller]
fn serve(args: &[&str]) -> Serve {
    let line = ["tengen", "serve"].iter().chain(args);
    match Cli::try_parse_from(line).map(|cli| cli.command) {
        Ok(Command::Serve(serve)) => serve,
        other => panic!("{other:?}"),
    }
}

#[test]
fn serve_takes_what_the_file_does_not_say() {
    let args = serve(&[
        "--config",
        "t.toml",
        "--listen",
        "[::1]:0",
        "--port-file",
        "p",
        "--plugins",
        "d",
        "--admin",
        "off",
    ]);
    assert_eq!(args.files.config, Some("t.toml".into()));
    assert_eq!(args.listen, Some("[::1]:0".parse().unwrap()));
    assert_eq!((args.port_file, args.files.plugins), (Some("p".into()), Some("d".into())));
    assert_eq!(args.admin, Some(AdminAddress(None)));
    let args = serve(&["--admin", "127.0.0.1:9"]);
    assert_eq!(args.admin, Some(AdminAddress(Some("127.0.0.1:9".parse().unwrap()))));
    assert_eq!(serve(&[]).admin, None);
}

#[tokio::test]
async fn wrong_arguments_are_told_with_their_remedy() {
    for (args, expected) in [
        (&["serve", "--listen", "localhost:80"][..], "write `127.0.0.1:80`"),
        (&["serve", "--admin", "on"], "write it as in `127.0.0.1:8080`"),
        (&["srve"], "serve"),
        (&["plugin", "list", "--admin", "127.0.0.1:1", "--state", "x"], "cannot be used with"),
        (&["token", "make", "--user", "a", "--expires", "1 fortnight"], "as in \"25s\""),
        (&["token", "make", "--user", "an\u{200b}n"], "no control, invisible or blank characters"),
        (&[], "Usage"),
    ] {
        let (exit, out, err) = tengen(args).await;
        assert_eq!(exit, Exit::Wrong, "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
        assert_eq!(out, "", "{args:?}");
    }
}

// A name in somebody's file is nothing for a terminal to obey.
#[tokio::test]
async fn a_name_with_escapes_is_shown_and_not_obeyed() {
    let (_folder, path) =
        file("tengen.toml", "[plugin.\"a\\u001b[2J\\u202eb\"]\nfile = 'a.wasm'\n");
    let (exit, _, err) = tengen(&["check", "--config", &path]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("plugin.a\\u001b[2J\\u202eb"), "{err}");
    assert!(!err.contains(['\u{1b}', '\u{202e}']), "{err}");
}

#[tokio::test]
async fn help_names_every_command_and_the_exit_codes() {
    let (exit, out, _) = tengen(&["--help"]).await;
    assert_eq!(exit, Exit::Ok);
    for word in [
        "serve",
        "check",
        "plugin",
        "config",
        "token",
        "connect",
        "version",
        "Exit codes",
        "2  wrong",
        "3  what came back was a fault",
    ] {
        assert!(out.contains(word), "{word}: {out}");
    }
}

#[tokio::test]
async fn the_version_names_the_interfaces_version_too() {
    let (exit, out, _) = tengen(&["version"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(out.starts_with(concat!("tengen ", env!("CARGO_PKG_VERSION"), "\n")), "{out}");
    let package = include_str!("../../../wit/world.wit")
        .lines()
        .find_map(|line| line.strip_prefix("package "));
    assert!(out.contains(package.unwrap().trim_end_matches(';')), "{out}");
}

#[tokio::test]
async fn the_default_configuration_is_good() {
    let (exit, out, _) = tengen(&["config", "default"]).await;
    assert_eq!(exit, Exit::Ok);
    let (_folder, path) = file("tengen.toml", &out);
    let (exit, out, err) = tengen(&["check", "--config", &path]).await;
    assert_eq!((exit, err.as_str()), (Exit::Ok, ""));
    assert!(out.contains("is good: 3 endpoints, 0 plugins, 0 routes"), "{out}");
}

#[tokio::test]
async fn check_tells_mistakes_of_file_and_plugins_at_once() {
    let (folder, path) = file(
        "tengen.toml",
        "[server]\nlisen = 1\n[plugin.a]\nfile = 'missing.wasm'\n[plugin.b]\nfile = 'text.wasm'\n[[route]]\nevent = '*'\nplugin = 'a'\n\
         [[route]]\nevent = 'x/*'\nplugin = 'b'\n[[static]]\npath = '/'\ndir = 'nowhere'\n",
    );
    std::fs::write(folder.path().join("text.wasm"), "this is text").unwrap();
    let (exit, out, err) = tengen(&["check", "-c", &path]).await;
    assert_eq!((exit, out.as_str()), (Exit::Wrong, ""));
    for expected in [
        "4 mistakes in",
        "server.lisen (line 2): is not a key; did you mean `listen`?",
        "plugin.a.file (line 4): ",
        "plugin.b.file (line 6): ",
        "static[0].dir: there is no folder",
    ] {
        assert!(err.contains(expected), "{expected}: {err}");
    }
}

#[tokio::test]
async fn check_tells_when_plugins_and_folder_may_have_more_instances_than_the_limit() {
    let text = "limits.plugin_instances = 5\n[plugin.a]\nfile = 'a.wasm'\n\
        [[route]]\nevent = '*'\nplugin = 'a'\n";
    let (folder, path) = file("tengen.toml", text);
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let check = ["check", "--config", &path, "--plugins", plugins.to_str().unwrap()];
    let (_, _, err) = tengen(&check).await;
    assert!(!err.contains("instances"), "one plugin may have three: {err}");
    std::fs::write(plugins.join("b.wasm"), "this is text").unwrap();
    let (exit, _, err) = tengen(&check).await;
    assert_eq!(exit, Exit::Wrong);
    for expected in
        ["with what is in `", "6 instances at one time", "`limits.plugin_instances` = 6"]
    {
        assert!(err.contains(expected), "{expected}: {err}");
    }
}

// What a variable stands for may be a secret.
#[tokio::test]
async fn check_shows_the_names_of_variables_and_not_what_they_stand_for() {
    let config = "[plugin.p]\nfile = '${XDG_RUNTIME_DIR}/none.wasm'\n\
        [[route]]\nevent = 'a/*'\nplugin = 'p'\n\
        [[static]]\npath = '/'\ndir = '${XDG_RUNTIME_DIR}/nowhere'\n";
    let (_folder, config) = file("tengen.toml", config);
    let (exit, _, err) = tengen(&["check", "--config", &config]).await;
    assert_eq!(exit, Exit::Wrong, "{err}");
    assert!(err.contains("plugin.p.file") && err.contains("`${XDG_RUNTIME_DIR}/nowhere`"), "{err}");
    let rest = err.replace("${XDG_RUNTIME_DIR}/", "");
    assert!(!rest.contains("/none.wasm") && !rest.contains("/nowhere"), "{err}");
}

// The brother of that; `serve` showed what `check` hides.
#[tokio::test]
async fn a_start_that_fails_shows_the_names_of_variables_and_not_what_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().to_str().unwrap();
    let text = "[server]\nlisten = '127.0.0.1:0'\n[plugin.p]\nfile = '${SECRET}/none.wasm'\n\
        [[route]]\nevent = 'a/*'\nplugin = 'p'\n";
    let env = |name: &str| (name == "SECRET").then(|| secret.to_owned());
    let config::Parsed { mut settings, variables, .. } =
        config::parse(text, &env, std::path::Path::new("")).unwrap();
    settings.admin = None;
    let err = Written::default();
    let mut io = Io {
        out: Box::new(std::io::sink()),
        err: Box::new(err.clone()),
        input: Box::new(std::io::empty()),
        env: Box::new(|_| None),
        compiler: Compiler::InProcess,
    };
    let (options, never) = (tengen_server::gateway::Options::default(), std::future::pending());
    let exit = serve::start((settings, &variables), options, never, &mut io).await.unwrap_err();
    let err = String::from_utf8(err.0.lock().unwrap().clone()).unwrap();
    assert_eq!(exit, Exit::Wrong, "{err}");
    assert!(err.contains("${SECRET}/none.wasm") && !err.contains(secret), "{err}");
}

#[tokio::test]
async fn check_without_anything_to_check_says_so() {
    let (exit, _, err) = tengen(&["check"]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("nothing to check"), "{err}");
}

#[tokio::test]
async fn a_configuration_that_is_wrong_does_not_serve() {
    let (_folder, path) = file("tengen.toml", "[server]\nlisten = 'here'\n");
    let (exit, _, err) = tengen(&["serve", "--config", &path]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("server.listen (line 2): `here` is not an address"), "{err}");
    let (exit, _, err) = tengen(&["serve", "--config", "/nowhere/tengen.toml"]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(
        err.contains("cannot read the configuration file") && err.contains("because:"),
        "{err}"
    );
}

#[tokio::test]
async fn without_a_running_gateway_its_plugins_cannot_be_listed() {
    for args in [&["plugin", "list"][..], &["plugin", "inspect", "chat"]] {
        let (exit, _, err) = tengen(args).await;
        assert_eq!(exit, Exit::Failed);
        assert!(
            err.contains("no running gateway was found") && err.contains("--admin ADDR"),
            "{err}"
        );
    }
    let (exit, _, err) = tengen(&["plugin", "reload", "chat"]).await;
    assert_eq!(exit, Exit::Failed);
    assert!(err.contains("no running gateway was found"), "{err}");
}

/// A gateway of which only the admin listener is there.
#[derive(Debug)]
struct Fake;

impl tengen_server::admin::Source for Fake {
    fn ready(&self) -> bool {
        true
    }

    fn samples(&self) -> tengen_core::meter::Samples {
        tengen_core::meter::Samples::default()
    }

    fn health(&self) -> std::collections::BTreeMap<String, &'static str> {
        [("chat".to_owned(), "on-trial")].into()
    }

    fn stats(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn plugins(&self) -> serde_json::Value {
        serde_json::json!([{
            "name": "chat", "state": "running", "component": "chat", "version": "0.2.0", "roles": ["handler", "sink"],
            "generation": 3, "events": 12, "errors": 1, "breaker": "half-open", "breaker_opened": 2, "lost_states": 3, "last_error": { "at_ms": 1, "message": "reload failed:\nbroken", "event": "a/b", "connection": "c1", "trace_id": "4bf9" },
        }])
    }

    fn reload<'a>(
        &'a self,
        name: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Result<serde_json::Value, String>> {
        Box::pin(async move { Err(format!("`{name}.wasm` is not a component")) })
    }

    fn sinks(&self) -> serde_json::Value {
        serde_json::json!({ "sinks": { "file": { "health": "healthy", "processed": 3, "accepted": 3 } } })
    }

    fn order<'a>(
        &'a self,
        order: &'a str,
        wishes: Vec<(String, String)>,
    ) -> futures_util::future::BoxFuture<'a, Result<serde_json::Value, String>> {
        Box::pin(async move {
            match order {
                "pause" => Err("there is no sink `x`".to_owned()),
                _ => Ok(serde_json::json!(wishes)),
            }
        })
    }
}

#[tokio::test]
async fn a_running_gateway_is_asked_for_its_plugins() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tasks, stop) =
        (tokio_util::task::TaskTracker::new(), tokio_util::sync::CancellationToken::new());
    let keys = vec![tengen_settings::Secret("k".into())];
    let admin = tengen_settings::Admin { keys, ..Default::default() };
    tasks.spawn(tengen_server::admin::serve(
        listener,
        Arc::new(Fake),
        admin,
        tasks.clone(),
        stop.clone(),
    ));

    let (exit, out, err) = tengen(&["plugin", "list", "--admin", &address]).await;
    let line = "chat             running      chat 0.2.0 (handler, sink), generation 3, 12 events, 1 error";
    let breaker = "  it keeps failing: its breaker is half-open, opened 2 times";
    let lost = "  it lost its state with an instance that failed, 3 times";
    let expected = format!(
        "{line}\n{breaker}\n{lost}\n  last error: reload failed:\n    broken\n    at the event `a/b` of c1, trace 4bf9\n"
    );
    assert_eq!((exit, out), (Exit::Ok, expected), "{err}");

    let (exit, out, err) = tengen(&["plugin", "inspect", "chat", "--admin", &address]).await;
    assert_eq!((exit, out.starts_with(line)), (Exit::Ok, true), "{out}{err}");
    let (exit, out, err) =
        tengen(&["plugin", "inspect", "chat", "--json", "--admin", &address]).await;
    assert_eq!(exit, Exit::Ok, "{err}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["generation"], 3);
    let (exit, _, err) = tengen(&["plugin", "inspect", "caht", "--admin", &address]).await;
    assert_eq!(
        (exit, err.as_str()),
        (Exit::Wrong, "error: the running gateway has no plugin `caht`, only: chat\n")
    );

    let (exit, _, err) =
        tengen(&["plugin", "reload", "chat", "--key", "k\n", "--admin", &address]).await;
    assert_eq!(exit, Exit::Failed);
    let expected = "error: `chat` is not reloaded: `chat.wasm` is not a component\n";
    assert_eq!(err, expected);
    let (exit, _, err) = tengen(&["plugin", "reload", "chat", "--admin", &address]).await;
    assert!(exit == Exit::Failed && err.contains("401") && err.contains("needs a key"), "{err}");
    stop.cancel();
}

#[tokio::test]
async fn what_is_read_from_files_says_so() {
    let (folder, path) = file("broken.wasm", "this is text");
    let (exit, out, err) =
        tengen(&["plugin", "list", "--plugins", folder.path().to_str().unwrap()]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(out.starts_with("broken           broken: "), "{out}");
    assert!(err.contains("read from files, not from a running gateway"), "{err}");
    let (exit, _, err) = tengen(&["plugin", "inspect", &path]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("broken.wasm"), "{err}");
}

#[tokio::test]
async fn a_token_that_was_made_can_be_checked() {
    let (_folder, key_file) = file("key", "0123456789abcdef0123456789abcdef\n");
    let key = ["--key-file", key_file.as_str()];
    let make = [
        "token",
        "make",
        "--user",
        "alice",
        "--expires",
        "1h",
        "--claim",
        "rooms=[\"a\"]",
        "--claim",
        "name=Ada",
        "--claim",
        "tenant=12345678901234567890123",
        "--claim",
        "rate=1e3",
    ];
    let (exit, token, err) = tengen(&[&make[..], &key].concat()).await;
    assert_eq!((exit, err.as_str()), (Exit::Ok, ""));
    let (exit, claims, err) = tengen(&[&["token", "check", token.trim()][..], &key].concat()).await;
    assert_eq!(exit, Exit::Ok, "{err}");
    assert!(err.starts_with("good for another "), "{err}");
    // A number is the one that was written.
    assert!(claims.contains("\"tenant\": 12345678901234567890123\n"), "{claims}");
    assert!(claims.contains("\"rate\": 1e3,"), "{claims}");
    let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["rooms"][0], &claims["name"]),
        (&"alice".into(), &"a".into(), &"Ada".into())
    );
    let (exit, _, err) = tengen(&["token", "check", token.trim(), "--key", "another"]).await;
    assert_eq!((exit, err.as_str()), (Exit::Failed, "error: the signature is not of this key\n"));
}

#[tokio::test]
async fn a_token_needs_a_key_and_a_short_one_is_warned_of() {
    let (exit, _, err) = tengen(&["token", "make", "--user", "a"]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(err.contains("TENGEN_TOKEN_KEY"), "{err}");
    let (exit, _, err) = tengen(&["token", "make", "--user", "a", "--key", "short"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(err.contains("the key has 5 bytes"), "{err}");
}
