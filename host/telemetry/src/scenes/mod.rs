//! Signals on their whole way, from who says something to what is written.

mod heap;
mod model;
mod page;
mod recorded;
mod routing;
mod text;
