//! The role that says who a new connection belongs to.

use crate::{Admission, Denial, Fault, Plugin, Upgrade, User, Verdict, instance::Instance};

/// Says who a new connection belongs to, before the upgrade is answered.
///
/// Instances are stateless and interchangeable: any free one is asked, and its answer has a deadline.
pub trait Authenticator: Plugin {
    /// Decides about an upgrade request. What an [`Admission`] may hold is bounded, and its channels have to be in the
    /// plugin's grant `publish`: one that breaks a bound is refused as a whole, with status 503.
    fn authenticate(&mut self, upgrade: Upgrade) -> Verdict;
}

impl Verdict {
    /// Lets this user in, until the time in `expires_at_ms` if there is one: the connection is closed then, with code 4003.
    pub fn user(user: User) -> Self {
        Self::Allow(Admission { user: Some(user), ..Admission::anonymous() })
    }

    /// Refuses with an HTTP status, such as 401 or 403 (400 to 599), and a reason that the peer may read.
    pub fn deny(status: u16, id: impl Into<String>, message: impl Into<String>) -> Self {
        let why = Fault::new(id, message);
        Self::Deny(Denial { status, why, more: Vec::new() })
    }
}

impl User {
    /// A user of this id, with no claims and without an end.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), claims: Vec::new(), expires_at_ms: None, more: Vec::new() }
    }
}

impl Admission {
    /// Lets somebody in whose name is not known.
    pub fn anonymous() -> Self {
        Self { user: None, welcome: None, channels: Vec::new(), more: Vec::new() }
    }
}

impl Upgrade {
    /// The first header of this name (lower or upper case) whose value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The further attribute of this name, such as `token` or `now-ms`.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.more
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| attribute.value.as_str())
    }

    /// The first value of this name in the query, as sent (percent signs and all).
    pub fn query_value(&self, name: &str) -> Option<&str> {
        let query = self.query.as_deref().unwrap_or_default();
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

fn answered<A: Authenticator>(
    instance: &Instance<A>,
    ask: impl FnOnce(&mut A) -> Verdict,
) -> Verdict {
    instance.with(ask).unwrap_or_else(|why| Verdict::deny(503, "plugin-unavailable", why))
}

#[doc(hidden)]
pub fn authenticate<A: Authenticator>(instance: &Instance<A>, upgrade: Upgrade) -> Verdict {
    answered(instance, |plugin| plugin.authenticate(upgrade))
}

#[cfg(test)]
mod tests {
    use crate::testing::upgrade;

    #[test]
    fn what_an_upgrade_carries_is_found_by_name() {
        let mut upgrade = upgrade("/ws", "a=1&token=x%20y&token=second");
        upgrade.headers.push(("Authorization".to_owned(), b"Bearer abc".to_vec()));
        assert_eq!(upgrade.query_value("token"), Some("x%20y"));
        assert_eq!(upgrade.query_value("tok"), None);
        assert_eq!(upgrade.header("authorization"), Some("Bearer abc"));
        assert_eq!(upgrade.attribute("now-ms"), None);
    }
}
