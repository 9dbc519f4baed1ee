//! Keys of HTTP: heads, places, names and subprotocols.

use super::*;

#[test]
fn heads_shares_hosts_and_subprotocols_are_read() {
    let settings = good(
        "[server]\nkeep_alive = '2m'\n[admin]\nhosts = ['tengen.prod.svc', 'node:8081']\n\
         [limits]\nrequest_head = '64KiB'\nrequest_lines = 200\nper_address = 50\n\
         [[endpoint]]\npath = '/raw'\ndialect = 'raw'\nsubprotocols = ['mqtt', 'v1.chat']\n",
    );
    assert_eq!(settings.server.keep_alive, Duration::from_secs(120));
    assert_eq!(settings.admin.unwrap().hosts, ["tengen.prod.svc", "node:8081"]);
    let limits = settings.limits;
    let numbers = (limits.request_head.get(), limits.request_lines.get(), limits.per_address);
    assert_eq!(numbers, (64 << 10, 200, std::num::NonZeroUsize::new(50)));
    assert_eq!(settings.endpoints[0].subprotocols, ["mqtt", "v1.chat"]);
}

#[test]
fn heads_hosts_and_subprotocols_that_make_no_sense_are_mistakes() {
    wrong(
        "[limits]\nrequest_head = '100B'\nrequest_lines = 5000\n",
        &[
            "limits.request_head (line 2): must be at least 1KiB and at most 1MiB",
            "limits.request_lines (line 3): must be at least 8 and at most 1000",
        ],
    );
    wrong(
        "[admin]\nhosts = ['*.svc', 'http://a', '']\n",
        &[
            "admin.hosts[0] (line 2): `*.svc` is not a host; write a name, as in \"tengen.prod.svc\"",
            "admin.hosts[1] (line 2): `http://a` is not a host; write a name, as in \"tengen.prod.svc\"",
            "admin.hosts[2] (line 2): is empty; write something or remove it",
        ],
    );
    wrong(
        "[[endpoint]]\npath = '/raw'\ndialect = 'raw'\nsubprotocols = ['a b', 'tengen.token.x']\n\
         [[endpoint]]\npath = '/ws'\nsubprotocols = ['mqtt']\n",
        &[
            "endpoint[0].subprotocols[0] (line 4): `a b` is not a subprotocol; write a word, as in \"mqtt\"",
            "endpoint[0].subprotocols[1] (line 4): begins like a token, which is never agreed on; write another word",
            "endpoint[1].subprotocols (line 7): has a meaning for the raw dialect only; the others have words of their own; remove it",
        ],
    );
}
