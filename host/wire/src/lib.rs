//! What goes over a connection, without any connection: names, payloads, faults and close codes; the formats that payloads
//! are written in (`format`), the dialects that frames are written in (`dialect`), and the bytes of frames over a transport
//! (`transport`, `websocket`).
//!
//! Pure: no IO, no clock, no runtime. The gateway, the client of `tengen connect`, the fuzz targets, the bench and the tests
//! read and write frames with this crate alone.

pub mod close;
pub mod dialect;
pub mod fault;
pub mod format;
mod frame;
pub mod id;
mod list;
pub mod payload;
pub mod trace;
pub mod transport;
pub mod websocket;
