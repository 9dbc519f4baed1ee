//! Formats: bytes to values and back, and from one format to another without loss where the formats allow it.
