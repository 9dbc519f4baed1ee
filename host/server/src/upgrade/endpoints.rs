//! Endpoints by their paths: looked up for each request, so in one step however many there are.

use super::csrf;
use std::{collections::HashMap, sync::Arc};
use tengen_settings::Endpoint;
use tengen_wire::id::EndpointIndex;

/// The endpoints of a gateway.
#[derive(Debug)]
pub struct Endpoints(HashMap<String, (EndpointIndex, Arc<Endpoint>)>);

impl Endpoints {
    /// In the order of the configuration. Of two with one path the first counts; the configuration refuses the second.
    pub fn new(all: &[Arc<Endpoint>]) -> Self {
        let mut by_path = HashMap::with_capacity(all.len());
        for (place, endpoint) in all.iter().enumerate() {
            let index = EndpointIndex(u16::try_from(place).unwrap_or(u16::MAX));
            by_path.entry(endpoint.path.clone()).or_insert_with(|| (index, Arc::clone(endpoint)));
        }
        Self(by_path)
    }

    /// The endpoint at this very path.
    pub(super) fn at(&self, path: &str) -> Option<(EndpointIndex, &Arc<Endpoint>)> {
        self.0.get(path).map(|(index, endpoint)| (*index, endpoint))
    }

    /// The endpoint whose pages get their token here.
    pub(super) fn of_tokens(&self, path: &str) -> Option<(EndpointIndex, &Arc<Endpoint>)> {
        let before = path.strip_suffix(csrf::PATH)?;
        let found = self.at(if before.is_empty() { "/" } else { before });
        found.filter(|(_, endpoint)| csrf::is_signed(endpoint))
    }

    /// Where the endpoint stands in the configuration.
    pub fn index_of(&self, path: &str) -> Option<EndpointIndex> {
        self.0.get(path).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tengen_wire::dialect::Dialect;

    #[test]
    fn an_endpoint_is_found_by_its_whole_path() {
        let paths = ["/ws", "/ws/a", "/"];
        let all = paths.map(|path| Arc::new(Endpoint::new(path, Dialect::Tengen)));
        let endpoints = Endpoints::new(&all);
        for (place, path) in (0..).zip(paths) {
            let (index, endpoint) = endpoints.at(path).expect("it is there");
            assert_eq!((index, endpoint.path.as_str()), (EndpointIndex(place), path));
            assert_eq!(endpoints.index_of(path), Some(EndpointIndex(place)));
        }
        for path in ["/ws/", "ws", "/w", ""] {
            assert!(endpoints.at(path).is_none(), "{path}");
        }
    }
}
