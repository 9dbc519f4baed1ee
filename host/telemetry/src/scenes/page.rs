//! The log as its reader has it, for tests.

use crate::{
    encode::{Encoder, Format},
    filter::Filter,
    pipe::{Layer, Pipe},
    station::{Station, Traits},
    writer::{self, stream::Stream},
};
use std::{
    io,
    sync::{Arc, Mutex},
};
use tengen_core::testing::somebody_listens;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug, Clone, Default)]
pub(crate) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// What this thread says is written here, at once, until the guard goes.
    pub(crate) fn log(&self, level: &str, format: Format) -> tracing::subscriber::DefaultGuard {
        somebody_listens();
        let pipe = Arc::<Pipe>::default();
        pipe.set_filter(Filter::of_level("test", level).unwrap());
        let station = Station::new(Traits::new("log", "stderr"), Filter::default());
        writer::at_once(&station, Stream(self.clone()), Encoder(format));
        pipe.attach(station).unwrap();
        tracing::subscriber::set_default(tracing_subscriber::registry().with(Layer(pipe)))
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
