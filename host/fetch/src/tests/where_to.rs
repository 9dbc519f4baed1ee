//! Where requests go, and where they do not.

use super::{Gate, Names, server::Server, text};
use tengen_wire::fault::FaultId;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Nothing in the grant names this machine: however it is spelled, the server here hears nothing.
#[tokio::test]
async fn no_spelling_of_this_machine_gets_past_the_grant() {
    let server = Server::start("127.0.0.1:0").await;
    let port = server.port();
    let names = Names::saying(&[]);
    let everything = format!("http://*:{port}");
    let gate = Gate::new(&names, &[&everything]);
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[::127.0.0.1]",
        "[::1]",
        "0",
        "0.0.0.0",
    ];
    for host in spellings {
        let fault = gate.get(&server.url(host, "/")).await.unwrap_err();
        assert_eq!(fault.id, FaultId::NotAllowed, "{host}: {fault:?}");
    }
    assert!(names.asked().is_empty(), "no address is a name: {:?}", names.asked());
    assert!(server.is_untouched().await);
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_has_to_be_granted_as_private() {
    let server = Server::start("127.0.0.1:0").await;
    let answers =
        ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "0.0.0.0"];
    for answer in answers {
        for host in ["a.example", "localhost", "localhost.", "a.localhost"] {
            let names = Names::saying(&[&[answer]]);
            let gate = Gate::new(&names, &[&format!("http://*:{}", server.port())]);
            let fault = gate.get(&server.url(host, "/")).await.unwrap_err();
            assert_eq!(fault.id, FaultId::NotAllowed, "{host}: {fault:?}");
            assert_eq!(names.asked(), [host.trim_end_matches('.')], "its name was looked up");
        }
    }
    assert!(server.is_untouched().await);
    let names = Names::saying(&[&["127.0.0.1"]]);
    let gate = Gate::new(&names, &[&server.grant("localhost")]);
    let url = server.url("localhost.", "/");
    let (_, answered) = tokio::join!(server.answer(OK), gate.get(&url));
    assert_eq!(text(&answered.unwrap()), "ok");
}

#[tokio::test]
async fn a_private_name_does_not_lead_to_a_metadata_service() {
    let names = Names::saying(&[&["169.254.169.254", "fd00:ec2::254"]]);
    let gate = Gate::new(&names, &["http://backend.internal!"]);
    let fault = gate.get("http://backend.internal/latest/meta-data").await.unwrap_err();
    assert_eq!(fault.id, FaultId::NotAllowed);
    assert!(fault.message.contains("metadata"), "{fault:?}");
}

#[tokio::test]
async fn what_was_checked_is_connected_to_whatever_the_name_means_a_moment_later() {
    let first = Server::start("127.0.0.1:0").await;
    let second = Server::start(&format!("127.0.0.2:{}", first.port())).await;
    let names = Names::saying(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let gate = Gate::new(&names, &[&first.grant("a.example")]);
    let url = first.url("a.example", "/");
    let (_, answered) = tokio::join!(first.answer(OK), gate.get(&url));
    assert_eq!(text(&answered.unwrap()), "ok");
    assert_eq!(names.asked(), ["a.example"], "looked up once for a request");
    assert!(second.is_untouched().await);
}

/// The name was public when the grant was written.
#[tokio::test]
async fn a_name_that_has_come_to_mean_this_machine_leads_nowhere() {
    let server = Server::start("127.0.0.1:0").await;
    let names = Names::saying(&[&["127.0.0.1"], &["127.0.0.1"], &["0.0.0.0", "127.0.0.1"]]);
    let private = Gate::new(&names, &[&server.grant("a.example")]);
    let public = Gate::new(&names, &[server.grant("a.example").trim_end_matches('!')]);
    let url = server.url("a.example", "/");
    let (_, answered) = tokio::join!(server.answer(OK), private.get(&url));
    assert!(answered.is_ok());
    assert_eq!(public.get(&url).await.unwrap_err().id, FaultId::NotAllowed);
    assert!(server.is_untouched().await);
    let (_, answered) = tokio::join!(server.answer(OK), private.get(&url));
    assert!(answered.is_ok(), "past an address that nobody may go to: {answered:?}");
}

#[tokio::test]
async fn a_user_in_the_url_hides_no_host() {
    let server = Server::start("127.0.0.1:0").await;
    let names = Names::saying(&[]);
    let gate = Gate::new(&names, &[&server.grant("127.0.0.1"), "good.example"]);
    for url in [
        format!("https://good.example@127.0.0.1:{}/", server.port()),
        server.url("a:b@127.0.0.1", "/"),
    ] {
        assert_eq!(gate.get(&url).await.unwrap_err().id, FaultId::Malformed, "{url}");
    }
    assert!(server.is_untouched().await);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_such() {
    let port = Server::start("127.0.0.1:0").await.port();
    let names = Names::saying(&[]);
    let gate = Gate::new(&names, &[&format!("http://127.0.0.1:{port}!"), "a.example"]);
    let fault = gate.get(&format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(fault.id, FaultId::Unreachable);
    assert!(fault.message.contains("could not be connected to"), "{fault:?}");
    let fault = gate.get("https://a.example/").await.unwrap_err();
    assert_eq!(fault.id, FaultId::Unreachable);
    assert!(fault.message.contains("no address that could be found"), "{fault:?}");
}
