//! The configuration, checked when the plugin starts: every mistake names its key.

use crate::{
    jwks::Source,
    keys::{Key, Keys},
};

/// Whom to believe, and how much.
#[derive(Debug)]
pub struct Settings {
    pub keys: Keys,
    /// Where more keys are published.
    pub jwks: Option<Source>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub user_claim: String,
    pub leeway_ms: u64,
    pub anonymous: bool,
    pub without_expiry: bool,
}

impl Settings {
    /// Reads the keys and values of the configuration.
    pub fn read(values: &[(String, String)]) -> Result<Self, String> {
        let mut settings = Self {
            keys: Keys::default(),
            jwks: None,
            issuer: None,
            audience: None,
            user_claim: "sub".to_owned(),
            leeway_ms: 30_000,
            anonymous: false,
            without_expiry: false,
        };
        let url = values.iter().find(|(key, _)| key == "jwks").map(|(_, url)| url.clone());
        settings.jwks = url.map(|url| Source {
            url,
            fresh_ms: 600_000,
            believed_ms: 24 * 3_600_000,
            pause_ms: 10_000,
        });
        for (key, value) in values {
            settings.set(key, value).map_err(|why| format!("config `{key}`: {why}"))?;
        }
        match settings.keys.is_empty() && settings.jwks.is_none() {
            true => Err("no key to check tokens with: set config `secret`, `public-key` or `jwks`"
                .to_owned()),
            false => Ok(settings),
        }
    }

    fn source(&mut self) -> Result<&mut Source, String> {
        self.jwks.as_mut().ok_or_else(|| "it is about `jwks`, which is not set".to_owned())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "issuer" => self.issuer = Some(value.to_owned()),
            "audience" => self.audience = Some(value.to_owned()),
            "user-claim" => self.user_claim = value.to_owned(),
            "leeway" => self.leeway_ms = seconds(value)?,
            "jwks" => url(value)?,
            "jwks-fresh" => self.source()?.fresh_ms = seconds(value)?,
            "jwks-believed" => self.source()?.believed_ms = seconds(value)?,
            "jwks-pause" => self.source()?.pause_ms = seconds(value)?.max(1000),
            "anonymous" => self.anonymous = allowed(value)?,
            "without-expiry" => self.without_expiry = allowed(value)?,
            _ => {
                let (kind, id) = match key.split_once('.') {
                    Some((kind, id)) => (kind, Some(id)),
                    None => (key, None),
                };
                let key = match kind {
                    "secret" => Key::from_text(value)?,
                    "secret-base64" => Key::from_base64(value)?,
                    "public-key" => Key::from_pem(value)?,
                    _ => return Err("there is no such key".to_owned()),
                };
                self.keys.add(id, key);
            }
        }
        Ok(())
    }
}

/// What stands in the configuration as the address of keys: whoever is on the way of what is not encrypted could put in others.
fn url(text: &str) -> Result<(), String> {
    let here = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    let is_here = |here: &&str| {
        text.strip_prefix(*here).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    match text.starts_with("https://") || here.iter().any(is_here) {
        true => Ok(()),
        false => Err(format!(
            "`{text}` is no URL that begins with `https://` (or leads to this machine)"
        )),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let seconds: u32 =
        text.parse().map_err(|_| format!("`{text}` is no whole number of seconds"))?;
    Ok(u64::from(seconds) * 1000)
}

fn allowed(text: &str) -> Result<bool, String> {
    match text {
        "allow" => Ok(true),
        "deny" => Ok(false),
        _ => Err(format!("`{text}` is neither `allow` nor `deny`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[(&str, &str)], complaint: &str) {
        let values: Vec<_> =
            values.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let why = Settings::read(&values).unwrap_err();
        assert!(why.contains(complaint), "{why}");
    }

    #[test]
    fn a_mistake_names_its_key_and_what_is_wrong() {
        let secret = ("secret", "a text of thirty-two bytes, or so");
        check(&[], "no key");
        check(&[secret, ("leeway", "30s")], "config `leeway`: `30s` is no whole number");
        check(&[secret, ("anonymous", "yes")], "neither `allow` nor `deny`");
        check(&[secret, ("isuer", "me")], "config `isuer`: there is no such key");
        check(
            &[("secret.2026", "short")],
            "config `secret.2026`: a secret has at least 32 bytes, this one 5",
        );
        check(&[("secret-base64", "*")], "not base64");
        check(&[("public-key", "-----BEGIN PUBLIC KEY-----\n")], "no PEM public key");
        let pem = |words: &str| format!("-----BEGIN {words}-----MFkw-----END {words}-----");
        for (words, complaint) in [
            ("PUBLIC KEY", "on one line: put line ends"),
            ("CERTIFICATE", "openssl x509 -pubkey"),
            ("PRIVATE KEY", "openssl pkey -pubout"),
            ("EC PRIVATE KEY", "openssl pkey -pubout"),
            ("RSA PUBLIC KEY", "-RSAPublicKey_in"),
        ] {
            check(&[("public-key", pem(words).as_str())], complaint);
        }
        check(&[("secret", "a text of thirty-two bytes, or so\n")], "perhaps a line end");
    }
}
