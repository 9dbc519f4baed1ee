//! Who sends, as requests have it.

use opentelemetry_proto::tonic::{
    common::v1::{InstrumentationScope, KeyValue},
    resource::v1,
};
use opentelemetry_sdk::Resource;

/// Who we are, in what a request is made of.
pub(crate) fn resource(resource: &Resource) -> v1::Resource {
    let attributes = resource
        .iter()
        .map(|(key, value)| KeyValue {
            key: key.to_string(),
            value: Some(value.clone().into()),
            ..KeyValue::default()
        })
        .collect();
    v1::Resource { attributes, ..v1::Resource::default() }
}

/// What in us says it: the gateway, in its version.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "tengen".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    }
}
