//! `endpoint[].origins`: whose pages may connect, as people write it, and as browsers send it.

use crate::{
    origin::{Origin, Origins},
    schema::{Kind, value::Value},
};

/// A list of them.
pub(super) fn kind() -> Kind<Origins> {
    Kind::new(read, |_| String::new())
}

fn read(value: &Value<'_>) -> Option<Origins> {
    let items = value.items()?;
    let texts: Vec<_> = items.iter().filter_map(|item| Some((item, item.text()?))).collect();
    if texts.iter().any(|(_, text)| text == "*") {
        if items.len() > 1 {
            value.mistake("`*` lets every origin in; remove the others, or remove `*`");
            return None;
        }
        value
            .document
            .warning(&value.place, "every web page may connect with its visitor's cookies");
        return Some(Origins::Any);
    }
    let origins = texts.into_iter().filter_map(|(item, text)| {
        let origin = origin(&text).map_err(|what| item.mistake(what)).ok()?;
        if let Some(why) = too_many(&origin) {
            value.document.warning(&item.place, why);
        }
        Some(Origin(origin))
    });
    Some(Origins::These(origins.collect()))
}

/// Why an origin stands for more pages than it seems to.
fn too_many(origin: &str) -> Option<&'static str> {
    match origin {
        "null" => Some(
            "every page can open a frame whose origin is `null`, with its visitor's cookies: \
             let an authenticator ask for a token that is in no cookie",
        ),
        "file://" => Some("every page that is a file on its reader's disk may connect"),
        _ => None,
    }
}

/// An origin as browsers send it: lower case, no path, and no port where it is the scheme's own.
fn origin(text: &str) -> Result<String, String> {
    let lower = text.trim().to_lowercase();
    // These name no host. Browsers that name one for a file, which is rare, name it behind these slashes.
    if matches!(lower.as_str(), "null" | "file://" | "file:///" | "file:") {
        return Ok(if lower == "null" { lower } else { "file://".to_owned() });
    }
    let bare = lower.trim_end_matches('/');
    let wrong = || {
        format!("`{text}` is not an origin; write scheme and host, as in \"https://app.example\"")
    };
    let (scheme, authority) = bare.split_once("://").ok_or_else(wrong)?;
    if scheme.is_empty() || authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return Err(wrong());
    }
    if !authority.is_ascii() {
        return Err(format!(
            "`{text}` has letters beyond ASCII, and browsers send such a name in its `xn--` form (punycode); \
             write that form, which a browser's console shows for `new URL(\"{text}\").origin`"
        ));
    }
    let host = match authority.strip_prefix("*.") {
        Some(host) if is_single(host) => {
            return Err(format!(
                "`{text}` stands for the pages of many owners; write one domain's, as in \"https://*.app.example\""
            ));
        }
        host => host.unwrap_or(authority),
    };
    if host.contains('*') {
        return Err(format!(
            "`{text}` has a `*` in a place where it has no meaning; it stands for the names below a domain, as in \
             \"https://*.app.example\""
        ));
    }
    host.parse::<http::uri::Authority>().map_err(|_| wrong())?;
    Ok(Origin::without_own_port(&format!("{scheme}://{authority}")).to_owned())
}

/// Whether a name has one label only, as a top level domain has.
fn is_single(host: &str) -> bool {
    let name = host.split_once(':').map_or(host, |(name, _)| name).trim_end_matches('.');
    !name.contains('.') && name != "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(origin(text).as_deref(), Ok(expected));
    }

    #[test]
    fn origins_are_taken_as_people_write_them_and_kept_as_browsers_send_them() {
        check("https://App.Example/", "https://app.example");
        check("https://app.example:443", "https://app.example");
        check("http://app.example:443", "http://app.example:443");
        check("https://xn--bcher-kva.example", "https://xn--bcher-kva.example");
        check("https://*.App.Example:443/", "https://*.app.example");
        check("https://*.app.example:8443", "https://*.app.example:8443");
        check("http://*.localhost:3000", "http://*.localhost:3000");
        check("http://[::1]:3000", "http://[::1]:3000");
        check("capacitor://localhost", "capacitor://localhost");
        check(" null ", "null");
        check("file://", "file://");
        check("file:///", "file://");
    }

    #[test]
    fn what_is_no_origin_says_what_to_write() {
        for (text, expected) in [
            ("app.example", "as in \"https://app.example\""),
            ("", "as in \"https://app.example\""),
            ("://a.example", "as in \"https://app.example\""),
            ("https://app.example/page", "as in \"https://app.example\""),
            ("https://bücher.example", "write that form, which a browser's console shows"),
            ("https://*.example", "many owners"),
            ("https://*.example:8443", "many owners"),
            ("https://*", "names below a domain, as in \"https://*.app.example\""),
            ("https://app.*.example", "names below a domain"),
            ("https://*.*.example.com", "names below a domain"),
            ("http://localhost:*", "names below a domain"),
            ("https://*app.example", "names below a domain"),
        ] {
            let why = origin(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
