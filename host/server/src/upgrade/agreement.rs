//! What a client and an endpoint agree on: dialect, format and subprotocol; and the token that a client hands over.

use super::checks::{Refusal, words};
use http::{HeaderMap, StatusCode, header};
use tengen_settings::Endpoint;
use tengen_wire::{
    dialect::{Subprotocol, Wire},
    payload::Encoding,
};

/// What the client and the endpoint agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreement {
    pub(super) wire: Wire,
    /// Echoed in `Sec-WebSocket-Protocol`.
    pub(super) subprotocol: Option<String>,
    /// From `tengen.token.…`: read, never echoed, never logged.
    pub(super) token: Option<String>,
    /// The other offered subprotocols.
    pub(super) offered: Vec<String>,
    /// The client's own name, where the dialect asks for one.
    pub(super) client: Option<String>,
}

const TOKEN: &str = "tengen.token.";

/// Settles dialect, format and subprotocol.
pub(super) fn agree(
    endpoint: &Endpoint,
    headers: &HeaderMap,
    query: &str,
) -> Result<Agreement, Refusal> {
    let mut token = None;
    let mut offered = Vec::new();
    for word in words(headers, header::SEC_WEBSOCKET_PROTOCOL) {
        match word.strip_prefix(TOKEN) {
            Some(secret) => token = Some(secret.to_owned()),
            None => offered.push(word.to_owned()),
        }
    }
    // Where frames are not read, there is no format.
    let default = endpoint.formats.first().copied().unwrap_or(Encoding::Text);
    let profile = endpoint.dialect.profile();
    let client = profile.client_id.map(|remedy| client_id(query, remedy)).transpose()?;
    let (format, subprotocol) = match profile.subprotocol {
        Subprotocol::Format(prefix) => format_of(endpoint, prefix, default, &offered, query)?,
        Subprotocol::Named | Subprotocol::Any => (default, word_of(endpoint, &offered)?),
    };
    // Whoever offers something has to get one of it back, or a browser drops the connection; a token never comes back.
    if token.is_some() && subprotocol.is_none() {
        return Err(token_alone(endpoint));
    }
    let wire = Wire { dialect: endpoint.dialect, format };
    Ok(Agreement { wire, subprotocol, token, offered, client })
}

/// Where the subprotocol says nothing of the format: the first offered word that the endpoint speaks, or the first of all
/// where it names none.
fn word_of(endpoint: &Endpoint, offered: &[String]) -> Result<Option<String>, Refusal> {
    let spoken =
        |word: &&String| endpoint.subprotocols.is_empty() || endpoint.subprotocols.contains(word);
    match offered.iter().find(spoken) {
        None if !offered.is_empty() => {
            let reason = format!(
                "none of the offered subprotocols is spoken here; offer {}",
                spoken_here(endpoint)
            );
            Err(Refusal::new(StatusCode::BAD_REQUEST, "subprotocol", reason))
        }
        found => Ok(found.cloned()),
    }
}

/// The words to offer, for a sentence.
fn spoken_here(endpoint: &Endpoint) -> String {
    let quoted: Vec<_> = match endpoint.dialect.profile().subprotocol {
        Subprotocol::Format(prefix) => {
            endpoint.formats.iter().map(|format| format!("`{prefix}{}`", format.word())).collect()
        }
        Subprotocol::Named | Subprotocol::Any => {
            endpoint.subprotocols.iter().map(|word| format!("`{word}`")).collect()
        }
    };
    match quoted.is_empty() {
        true => "a word of your own".to_owned(),
        false => quoted.join(" or "),
    }
}

fn token_alone(endpoint: &Endpoint) -> Refusal {
    let reason = format!(
        "a token alone is no subprotocol that can be agreed on; offer {} beside it, or send it as `?token=`",
        spoken_here(endpoint)
    );
    Refusal::new(StatusCode::BAD_REQUEST, "subprotocol", reason)
}

/// The client's first acceptable subprotocol; without any, `?format=`; without that, the endpoint's default.
fn format_of(
    endpoint: &Endpoint,
    prefix: &str,
    default: Encoding,
    offered: &[String],
    query: &str,
) -> Result<(Encoding, Option<String>), Refusal> {
    let of_word =
        |word: &str| Encoding::from_word(word).filter(|format| endpoint.formats.contains(format));
    let chosen = offered.iter().find_map(|word| Some((of_word(word.strip_prefix(prefix)?)?, word)));
    if let Some((format, word)) = chosen {
        return Ok((format, Some(word.clone())));
    }
    if !offered.is_empty() {
        let reason = format!(
            "none of the offered subprotocols is spoken here; offer {}",
            spoken_here(endpoint)
        );
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "subprotocol", reason));
    }
    match parameter(query, "format") {
        None => Ok((default, None)),
        Some(word) => of_word(&word).map(|format| (format, None)).ok_or_else(|| {
            let words: Vec<_> = endpoint.formats.iter().map(|format| format.word()).collect();
            let reason =
                format!("the format in the query is not spoken here; use {}", words.join(" or "));
            Refusal::new(StatusCode::BAD_REQUEST, "format", reason)
        }),
    }
}

/// The name of one client instance, 1 to 128 bytes; `remedy` for whoever gives none.
pub(super) fn client_id(query: &str, remedy: &'static str) -> Result<String, Refusal> {
    let id = parameter(query, "client-id");
    id.filter(|id| !id.trim().is_empty() && id.len() <= 128)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "client-id", remedy))
}

/// A query parameter, percent-decoded (application/x-www-form-urlencoded).
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};
    use tengen_wire::dialect::Dialect;

    #[track_caller]
    fn check_agreement(
        offered: &'static str,
        query: &str,
        expected: Result<(&str, Option<&str>), &str>,
    ) {
        let endpoint = Endpoint::new("/ws", Dialect::Tengen);
        let lines =
            if offered.is_empty() { vec![] } else { vec![("sec-websocket-protocol", offered)] };
        let found = agree(&endpoint, &headers(&lines), query);
        let found =
            found.as_ref().map(|agreed| (agreed.wire.format.word(), agreed.subprotocol.as_deref()));
        assert_eq!(found.map_err(|refusal| refusal.label), expected);
    }

    #[test]
    fn the_format_is_the_first_offered_one_that_the_endpoint_speaks() {
        check_agreement("tengen.v1.edn, tengen.v1.json", "", Ok(("edn", Some("tengen.v1.edn"))));
        check_agreement("graphql-ws, tengen.v1.json", "", Ok(("json", Some("tengen.v1.json"))));
        check_agreement("tengen.v2.json", "", Err("subprotocol"));
        check_agreement("", "", Ok(("json", None)));
        check_agreement("", "format=edn", Ok(("edn", None)));
        let binary = "tengen.v1.msgpack, tengen.v1.json";
        check_agreement(binary, "", Ok(("msgpack", Some("tengen.v1.msgpack"))));
        check_agreement("", "format=msgpack", Ok(("msgpack", None)));
        check_agreement("tengen.v1.transit", "", Ok(("transit", Some("tengen.v1.transit"))));
        check_agreement("", "format=transit", Ok(("transit", None)));
        check_agreement("tengen.token.abc", "format=edn", Err("subprotocol"));
        check_agreement("", "format=xml", Err("format"));
    }

    #[test]
    fn a_token_is_taken_out_of_the_subprotocols() {
        let endpoint = Endpoint::new("/ws", Dialect::Tengen);
        let lines = [("sec-websocket-protocol", "tengen.v1.json, tengen.token.s3cret")];
        let agreed = agree(&endpoint, &headers(&lines), "").unwrap();
        assert_eq!(agreed.token.as_deref(), Some("s3cret"));
        assert_eq!(agreed.offered, ["tengen.v1.json"]);
        assert_eq!(agreed.subprotocol.as_deref(), Some("tengen.v1.json"));
    }

    #[track_caller]
    fn check_word(
        dialect: Dialect,
        spoken: &[&str],
        offered: &'static str,
        expected: Result<Option<&str>, &str>,
    ) {
        let subprotocols = spoken.iter().map(|word| (*word).to_owned()).collect();
        let endpoint = Endpoint { subprotocols, ..Endpoint::new("/x", dialect) };
        let lines = headers(&[("sec-websocket-protocol", offered)]);
        let found = agree(&endpoint, &lines, "client-id=a");
        let found = found.as_ref().map(|agreed| agreed.subprotocol.as_deref());
        match (found, expected) {
            (Err(refusal), Err(told)) => {
                assert_eq!(
                    (refusal.status, refusal.label),
                    (StatusCode::BAD_REQUEST, "subprotocol")
                );
                assert!(refusal.reason.contains(told), "{}", refusal.reason);
            }
            (found, expected) => {
                assert_eq!(found.map_err(|refusal| refusal.label), expected, "{offered}")
            }
        }
    }

    #[test]
    fn whoever_offers_words_gets_one_of_them_back() {
        for dialect in [Dialect::Raw, Dialect::Sente] {
            check_word(dialect, &[], "chat", Ok(Some("chat")));
            check_word(dialect, &[], "v2.chat, v1.chat", Ok(Some("v2.chat")));
            check_word(dialect, &[], "tengen.token.s3cret, chat", Ok(Some("chat")));
            check_word(dialect, &[], "", Ok(None));
        }
        check_word(Dialect::Raw, &["mqtt", "chat"], "other, chat, mqtt", Ok(Some("chat")));
        check_word(Dialect::Raw, &["mqtt", "chat"], "other", Err("offer `mqtt` or `chat`"));
        check_word(Dialect::Raw, &["mqtt"], "MQTT", Err("offer `mqtt`"));
    }

    #[test]
    fn a_token_alone_is_refused_with_what_to_offer_beside_it() {
        let token = "tengen.token.s3cret";
        check_word(Dialect::Raw, &[], token, Err("offer a word of your own beside it"));
        check_word(Dialect::Raw, &["mqtt"], token, Err("offer `mqtt` beside it"));
        check_word(Dialect::Sente, &[], token, Err("or send it as `?token=`"));
        let here = "offer `tengen.v1.json` or `tengen.v1.edn` or `tengen.v1.transit` or `tengen.v1.msgpack` beside it, or send it as `?token=`";
        check_word(Dialect::Tengen, &[], token, Err(here));
        let both = "tengen.token.s3cret, tengen.v1.edn";
        check_word(Dialect::Tengen, &[], both, Ok(Some("tengen.v1.edn")));
    }

    #[test]
    fn a_sente_client_must_name_itself() {
        let endpoint = Endpoint::new("/chsk", Dialect::Sente);
        let label = |query| {
            agree(&endpoint, &HeaderMap::new(), query).map(|_| ()).map_err(|refusal| refusal.label)
        };
        assert_eq!(label("uid=alice&client-id=client-1&csrf-token=x"), Ok(()));
        assert_eq!(label("uid=alice"), Err("client-id"));
        assert_eq!(label("client-id=%20"), Err("client-id"));
    }
}
