//! Maps and sets, whose keys and elements occur once each.

use super::{
    super::{
        build::Build,
        check::Digest,
        error::{Problem, ReadError},
        value::Value,
    },
    keys::Keys,
    name, number,
    parser::{Parser, is_symbol},
};

impl<'a> Parser<'a> {
    pub(super) fn map<B: Build<'a>>(
        &mut self,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        let depth = self.deeper(depth)?;
        let mut map = B::Map::default();
        let mut keys = Keys::new(namespace, self.digests.len());
        self.at += 1;
        while self.inside(b'}', depth)? {
            let key = self.key::<B>(&mut keys, depth)?;
            if !self.inside(b'}', depth)? {
                return Err(Problem::Odd.at(self.at - 1));
            }
            B::pair(&mut map, key, self.value::<B>(depth)?);
        }
        self.all_differ(&keys)?;
        Ok(B::map(map, Value::Map))
    }

    pub(super) fn set<B: Build<'a>>(&mut self, depth: usize) -> Result<B::Value, ReadError> {
        let depth = self.deeper(depth)?;
        let mut set = B::Set::default();
        let mut keys = Keys::new(None, self.digests.len());
        self.at += 2;
        while self.inside(b'}', depth)? {
            B::insert(&mut set, self.key::<B>(&mut keys, depth)?);
        }
        self.all_differ(&keys)?;
        Ok(B::set(set))
    }

    /// A map's key or a set's element.
    fn key<B: Build<'a>>(
        &mut self,
        keys: &mut Keys<'_>,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        let start = self.at;
        // What has parts is never looked at again.
        if B::COMPARES && matches!(self.peek(), Some(b'[' | b'(' | b'{' | b'#')) {
            let key = self.value::<B::Key>(depth)?;
            self.digests.extend(B::Key::digest(&key).map(|digest| (digest, start)));
            return Ok(B::of_key(key));
        }
        let value = self.named::<B>(keys.namespace, depth)?;
        if B::COMPARES {
            match B::digest(&value) {
                Some(digest) => self.digests.push((digest, start)),
                None => {
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    keys.add(text, start..self.at, is_varied(text));
                }
            }
        }
        Ok(value)
    }

    /// A value that takes on the namespace of the map whose key it is.
    fn named<B: Build<'a>>(
        &mut self,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<B::Value, ReadError> {
        let Some(namespace) = namespace else { return self.value::<B>(depth) };
        #[cfg(test)]
        super::super::work::step();
        let name = match self.peek() {
            Some(b':') => Value::Keyword(self.keyword()?.into()),
            _ if name::token_length(self.rest()) > 0 && self.peek() != Some(b'#') => {
                let start = self.at;
                let token = self.take_token();
                if !is_symbol(token) {
                    self.at = start;
                    return self.value::<B>(depth);
                }
                Value::Symbol(token.into())
            }
            _ => return self.value::<B>(depth),
        };
        Ok(B::leaf(|| qualified(name, namespace)))
    }

    /// Whether no key of a map, or element of a set, occurs twice.
    fn all_differ(&mut self, keys: &Keys<'_>) -> Result<(), ReadError> {
        if keys.may_look_alike() {
            // Leaves all of them, so that this is done for each of them once.
            for key in keys.spans() {
                let mut leaf = Self::new(self.text, key.start);
                let digest = leaf.named::<Digest>(keys.namespace, 0)?;
                self.digests.push((digest, key.start));
            }
        } else if let Some(at) = keys.duplicate(self.text) {
            return Err(Problem::Duplicate.at(at));
        }
        let digests = self.digests.get_mut(keys.base..).unwrap_or_default();
        digests.sort_unstable();
        let same = |(one, next): (&(u64, usize), &(u64, usize))| {
            (one.0 == next.0).then_some((one.1, next.1))
        };
        let pairs = digests.iter().zip(digests.iter().skip(1)).filter_map(same);
        let equal = |(one, next): &(usize, usize)| {
            let again = |at| Self::new(self.text, at).named::<Digest<true>>(keys.namespace, 0);
            again(*one) == again(*next)
        };
        let duplicate = pairs.filter(equal).map(|(_, next)| next).min();
        self.digests.truncate(keys.base);
        duplicate.map_or(Ok(()), |at| Err(Problem::Duplicate.at(at)))
    }
}

/// Whether another text may mean the same value: true unless equal values are known to have equal texts.
fn is_varied(text: &str) -> bool {
    let number = number::is_number(text);
    match text.as_bytes().first() {
        Some(b'"') => text.contains('\\'),
        Some(b'\\' | b'#' | b'(' | b'[' | b'{' | b'+') if text.len() > 1 => true,
        _ if number => {
            !text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
                || text == "-0"
        }
        _ => false,
    }
}

/// A key of `#:namespace{…}` with its namespace; `_` says that it has none, and stays where the rest alone would be read as
/// something else.
fn qualified<'a>(mut key: Value<'a>, namespace: &str) -> Value<'a> {
    let is_name = match key {
        Value::Keyword(_) => |name: &str| name::check_name(name).is_ok(),
        _ => is_symbol,
    };
    if let Value::Keyword(name) | Value::Symbol(name) = &mut key {
        if let Some(bare) = name.strip_prefix("_/") {
            if is_name(bare) {
                *name = bare.to_owned().into();
            }
        } else if !name.contains('/') {
            *name = [namespace, "/", name].concat().into();
        }
    }
    key
}
