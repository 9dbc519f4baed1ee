//! Requests of plugins to servers, in the surroundings that an operator's machine may have.

use super::{Gateway, guest, tengen, write};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

/// A gateway whose authenticator asks a backend on this port, with these variables.
fn start(port: u16, variables: &[(&str, String)]) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (auth, echo) = (guest("authenticator_asks.wasm"), guest("handler_echo.wasm"));
    let config = format!(
        "[plugin.echo]\nfile = {echo:?}\n[[route]]\nevent = '*'\nplugin = 'echo'\n\
         [plugin.auth]\nfile = {auth:?}\nconfig.backend = 'http://127.0.0.1:{port}/who'\n\
         grant.http = [{{ host = 'http://127.0.0.1:{port}', private = true }}]\n\
         [[endpoint]]\npath = '/ws'\nauthenticator = 'auth'\n"
    );
    let file = write(folder.path(), &config);
    let mut command = tengen(&[super::SERVE, &["--config", &file]].concat());
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    (Gateway::spawn(command), folder)
}

/// Answers one request: the client is `ann`.
fn answer_once(listener: TcpListener) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let (mut asked, mut buffer) = (Vec::new(), [0; 1024]);
        while !asked.ends_with(b"\r\n\r\n") {
            let count = socket.read(&mut buffer).unwrap();
            assert!(count > 0, "it ended early");
            asked.extend(buffer.iter().take(count));
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nann").unwrap();
        super::text(&asked)
    })
}

#[test]
fn variables_that_name_proxies_are_not_looked_at() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let mut variables: Vec<_> = names.map(|name| (name, url.clone())).into();
    // Nothing is left out by what might be set where this runs.
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, String::new())));
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let (gateway, _folder) = start(backend.local_addr().unwrap().port(), &variables);
    let asked = answer_once(backend);
    assert_eq!(gateway.ask("a/b 7").status.code(), Some(0));
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("GET /who"), "not as a proxy is asked: {asked}");
    let connected = proxy.accept();
    assert!(connected.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock));
}

#[test]
fn a_backend_that_is_dead_leaves_a_line_for_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for (component, config, said) in [
        ("auth-backend.wasm", "backend", "does not say who somebody is: "),
        ("token-auth.wasm", "jwks", "gives no keys: "),
    ] {
        let auth = guest(component);
        let url = format!("http://127.0.0.1:{port}/x");
        let config = format!(
            "[plugin.auth]\nfile = {auth:?}\nconfig.{config} = {url:?}\n\
             grant.http = [{{ host = 'http://127.0.0.1:{port}', private = true }}]\n\
             [[endpoint]]\npath = '/ws'\nauthenticator = 'auth'\n"
        );
        let file = write(folder.path(), &config);
        let mut gateway = Gateway::start(&["--config", &file]);
        let mut log = gateway.log();
        let token = include_str!("../../../../plugins/token-auth/src/tests/r1.jwt");
        let address = gateway.address.clone();
        let url = format!("ws://{address}/ws?token={token}");
        let refused = super::run(&["connect", &url, "--ask", "a/b 7", "--timeout", "20s"]);
        let told = super::text(&refused.stderr);
        assert!(told.contains("503"), "{told}");
        let line = log.find(|line| line.contains(said)).expect("a line");
        assert!(
            line.contains(&format!("http://127.0.0.1:{port}/x"))
                && line.to_lowercase().contains("warn"),
            "{line}"
        );
    }
}
