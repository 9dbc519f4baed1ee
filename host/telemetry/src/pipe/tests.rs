//! What is told apart before it goes anywhere.

use super::*;

#[test]
fn what_sending_itself_says_is_told() {
    for target in
        ["tengen::telemetry::processor", "hyper::proto", "hyper_util", "h2", "opentelemetry_sdk"]
    {
        assert!(feeds_back(target), "{target}");
    }
    for target in ["tengen::hub", "h2o", "hyperspace", "plugin"] {
        assert!(!feeds_back(target), "{target}");
    }
}
