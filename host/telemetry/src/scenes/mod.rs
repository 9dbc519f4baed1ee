//! Signals on their whole way, from who says something to what is written.

mod model;
mod page;
mod routing;
mod text;
