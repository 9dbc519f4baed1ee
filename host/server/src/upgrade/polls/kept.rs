//! What an authenticator said of requests, for the next ones that are alike: who polls asks often.

use super::super::{admission::Asked, authentication::Admitted};
use http::{HeaderName, header, request::Parts};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tengen_core::authenticator::Admission;

/// How long an answer counts.
const TIME: Duration = Duration::from_secs(10);
/// Most answers that are kept. Where there are more, the authenticator is asked each time.
const MOST: usize = 4096;

/// Of one that is larger the authenticator is asked each time: so all of them take 16 MiB.
const LARGEST: usize = 4 << 10;

/// What of a query says when it was sent, or what for, and not by whom.
const FLEETING: [&str; 2] = ["udt", "handshake?"];

/// A hash of everything by which an authenticator may tell who asks.
pub(super) type Print = [u8; 32];

/// Who was let in lately.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    /// With the time until which each of them counts.
    known: HashMap<Print, (Instant, Admitted)>,
    /// When they are looked through next for those that count no more.
    sweep: Option<Instant>,
}

impl Kept {
    /// Whom a request like this one was of, within [`TIME`].
    pub(super) fn get(&self, print: &Print) -> Option<Admitted> {
        self.get_at(print, now())
    }

    pub(super) fn put(&self, print: Print, admitted: &Admitted) {
        self.put_at(print, admitted, now());
    }

    fn get_at(&self, print: &Print, now: Instant) -> Option<Admitted> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, admitted) = answers.known.get(print)?;
        (now < *until).then(|| admitted.clone())
    }

    fn put_at(&self, print: Print, admitted: &Admitted, now: Instant) {
        let until = admitted.ends.map_or(now + TIME, |ends| ends.min(now + TIME));
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Answers { known, sweep } = &mut *answers;
        if sweep.is_none_or(|sweep| now >= sweep) {
            known.retain(|_, (until, _)| now < *until);
            *sweep = Some(now + TIME);
        }
        let fits = known.len() < MOST || known.contains_key(&print);
        if fits && size_of(&admitted.admission) <= LARGEST {
            known.insert(print, (until, admitted.clone()));
        }
    }
}

/// Bytes of what an authenticator has said.
fn size_of(admission: &Admission) -> usize {
    let Admission { user, welcome, channels, more } = admission;
    let pairs = |pairs: &[(String, String)]| -> usize {
        pairs.iter().map(|(key, value)| key.len() + value.len() + 48).sum()
    };
    let user = user.as_ref().map_or(0, |user| user.id.len() + pairs(&user.claims));
    let welcome = welcome.as_ref().map_or(0, |welcome| welcome.body.len());
    let channels: usize = channels.iter().map(|channel| channel.len() + 16).sum();
    user + welcome + channels + pairs(more)
}

/// Tokio's clock, so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn is_fleeting_pair(pair: &str) -> bool {
    let read = form_urlencoded::parse(pair.as_bytes()).next();
    read.is_some_and(|(name, _)| FLEETING.contains(&&*name))
}

/// Whether a header says something of a request, and nothing of who sends it.
fn is_fleeting(name: &HeaderName) -> bool {
    [header::CONTENT_LENGTH.as_str(), "traceparent", "tracestate"].contains(&name.as_str())
}

/// The print of a request: whatever the authenticator is shown counts, but for what differs from one request of a client to
/// the next.
pub(super) fn print(parts: &Parts, asked: Asked<'_>) -> Print {
    let query = parts.uri.query().unwrap_or_default();
    // As it was sent, which is how the authenticator sees it: what cannot be decoded is told apart as well.
    let pairs = query.split('&').filter(|pair| !is_fleeting_pair(pair)).map(|pair| (pair, ""));
    let headers = parts.headers.iter().filter(|(name, _)| !is_fleeting(name));
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut all = Sha256::new();
    all.update(asked.index.0.to_be_bytes());
    all.update(print_of(pairs));
    all.update(print_of(headers));
    all.update(asked.peer.ip().to_string());
    all.finalize().into()
}

/// Of pairs, each part with its length before it.
fn print_of<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl Iterator<Item = (N, V)>) -> Print {
    let mut hash = Sha256::new();
    for (name, value) in pairs {
        for part in [name.as_ref(), value.as_ref()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tengen_settings::Endpoint;
    use tengen_wire::{dialect::Dialect, id::EndpointIndex};

    fn request(uri: &str, lines: &[(&str, &str)], peer: &str) -> Print {
        let mut builder = http::Request::builder().uri(uri);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let endpoint = Arc::new(Endpoint::new("/chsk", Dialect::Sente));
        let asked =
            Asked { endpoint: &endpoint, index: EndpointIndex(0), peer: peer.parse().unwrap() };
        print(&parts, asked)
    }

    #[test]
    fn requests_are_alike_where_an_authenticator_could_not_tell_them_apart() {
        let of = |uri, lines: &[_]| request(uri, lines, "10.0.0.1:1");
        let cookie = ("cookie", "session=a");
        let first = of("/chsk?udt=1&client-id=c&token=t&handshake%3F=1", &[cookie]);
        let next = of("/chsk?udt=2&client-id=c&token=t", &[cookie, ("content-length", "9")]);
        assert_eq!(first, next);
        assert_eq!(first, request("/chsk?client-id=c&token=t", &[cookie], "10.0.0.1:2"));
        for (uri, lines) in [
            ("/chsk?client-id=c&token=u", vec![cookie]),
            ("/chsk?client-id=d&token=t", vec![cookie]),
            ("/chsk?client-id=c&token=t", vec![("cookie", "session=b")]),
            ("/chsk?client-id=c&token=t", vec![cookie, ("authorization", "Bearer x")]),
            ("/chsk?client-id=c&token=t&cookie=session%3Da", vec![]),
            ("/chsk?client-id=ctoken&t=", vec![cookie]),
            ("/chsk?client-id=c&token=%74", vec![cookie]),
        ] {
            assert_ne!(first, of(uri, &lines), "{uri} {lines:?}");
        }
        assert_ne!(first, request("/chsk?client-id=c&token=t", &[cookie], "10.0.0.2:1"));
        let no_text = ["/chsk?client-id=c&token=%fe", "/chsk?client-id=c&token=%ff"];
        let [one, other] = no_text.map(|uri| of(uri, &[cookie]));
        assert_ne!(one, other, "what is no text is no other such thing");
    }

    #[test]
    fn an_answer_counts_for_ten_seconds_and_no_longer_than_the_authentication() {
        let (kept, begin) = (Kept::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        kept.put_at([1; 32], &Admitted::default(), begin);
        let short = Admitted { ends: Some(at(3)), ..Admitted::default() };
        kept.put_at([2; 32], &short, begin);
        let known = |print: u8, second| kept.get_at(&[print; 32], at(second)).is_some();
        assert!(known(1, 0) && known(1, 9) && !known(1, 10));
        assert!(known(2, 2) && !known(2, 3));
        assert!(!known(3, 0));
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let (kept, begin) = (Kept::default(), Instant::now());
        let said = |value: usize| {
            let more = vec![("k".to_owned(), "v".repeat(value))];
            Admitted {
                admission: Admission { more, ..Admission::default() },
                ..Admitted::default()
            }
        };
        kept.put_at([1; 32], &said(4000), begin);
        kept.put_at([2; 32], &said(4090), begin);
        assert!(kept.get_at(&[1; 32], begin).is_some() && kept.get_at(&[2; 32], begin).is_none());
    }

    #[test]
    fn no_more_are_kept_than_count_and_than_there_is_room_for() {
        let (kept, begin) = (Kept::default(), Instant::now());
        let print = |number: usize| {
            let mut print = [0; 32];
            print[..8].copy_from_slice(&number.to_be_bytes());
            print
        };
        let count = || kept.0.lock().unwrap().known.len();
        for number in 0..MOST + 10 {
            kept.put_at(print(number), &Admitted::default(), begin);
        }
        assert_eq!(count(), MOST);
        let later = begin + TIME / 2;
        kept.put_at(print(0), &Admitted::default(), later);
        assert!(kept.get_at(&print(0), later + TIME / 2).is_some(), "who is known is known anew");
        kept.put_at(print(0), &Admitted::default(), begin + TIME);
        assert_eq!(count(), 1, "the others count no more");
    }
}
