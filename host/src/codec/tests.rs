//! What the codecs read, write and refuse.

