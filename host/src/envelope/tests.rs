//! Frames of the three dialects, literally.

