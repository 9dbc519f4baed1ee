//! Measures the gateway against bare servers.
fn main() {}
