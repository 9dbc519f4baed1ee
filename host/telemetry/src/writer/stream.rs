//! A stream that is open already: standard output, standard error, or what stands for one.

use super::Output;
use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

/// A stream that somebody has set to take nothing rather than wait is tried again after so long.
const AGAIN: Duration = Duration::from_millis(10);

/// Written as it is.
pub(crate) struct Stream<W>(pub(crate) W);

impl<W: Write + Send> Output for Stream<W> {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
