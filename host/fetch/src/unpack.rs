//! A response's body as it comes: bounded, and unpacked.

use flate2::write::MultiGzDecoder;
use std::io::{self, Write};
use tengen_wire::fault::{Fault, FaultId};

/// What has come of a body.
#[derive(Debug)]
pub(crate) struct Body {
    how: How,
    /// Bytes that came.
    came: usize,
    most: usize,
}

#[derive(Debug)]
enum How {
    Plain(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Body {
    /// `most`: bytes, as they come and as they are unpacked.
    pub(crate) fn new(gzip: bool, most: usize) -> Self {
        let how = match gzip {
            true => How::Gzip(Box::new(MultiGzDecoder::new(Capped { bytes: Vec::new(), most }))),
            false => How::Plain(Vec::new()),
        };
        Self { how, came: 0, most }
    }

    /// Takes what came. Returns by how much it has grown.
    pub(crate) fn take(&mut self, part: &[u8]) -> Result<usize, Fault> {
        self.came += part.len();
        if self.came > self.most {
            return Err(too_large(self.most));
        }
        let before = self.len();
        match &mut self.how {
            How::Plain(bytes) => bytes.extend_from_slice(part),
            How::Gzip(decoder) => {
                let written = decoder.write_all(part);
                written.map_err(|why| unpacking(&why, self.most))?;
            }
        }
        Ok(self.len() - before)
    }

    /// The whole body, once all of it has come.
    pub(crate) fn end(self) -> Result<Vec<u8>, Fault> {
        match self.how {
            How::Plain(bytes) => Ok(bytes),
            // A response without a body may say that it would have been packed.
            How::Gzip(_) if self.came == 0 => Ok(Vec::new()),
            How::Gzip(decoder) => {
                let capped = decoder.finish().map_err(|why| unpacking(&why, self.most))?;
                Ok(capped.bytes)
            }
        }
    }

    fn len(&self) -> usize {
        match &self.how {
            How::Plain(bytes) => bytes.len(),
            How::Gzip(decoder) => decoder.get_ref().bytes.len(),
        }
    }
}

pub(crate) fn too_large(most: usize) -> Fault {
    Fault::new(FaultId::TooLarge, format!("the response's body has more than {most} bytes"))
}

fn unpacking(why: &io::Error, most: usize) -> Fault {
    match why.kind() {
        io::ErrorKind::FileTooLarge => too_large(most),
        _ => Fault::new(FaultId::Unreachable, "the response's body cannot be unpacked"),
    }
}

/// Takes so many bytes and no more.
#[derive(Debug)]
struct Capped {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Capped {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(gzip: bool, most: usize, parts: &[&[u8]]) -> Result<Vec<u8>, FaultId> {
        let mut body = Body::new(gzip, most);
        for part in parts {
            body.take(part).map_err(|fault| fault.id)?;
        }
        body.end().map_err(|fault| fault.id)
    }

    #[test]
    fn what_came_in_parts_is_whole() {
        assert_eq!(unpacked(false, 4, &[b"ab", b"cd"]).unwrap(), b"abcd");
        let bytes = packed(b"hello, hello, hello");
        let (a, b) = bytes.split_at(7);
        assert_eq!(unpacked(true, 99, &[a, b]).unwrap(), b"hello, hello, hello");
        assert_eq!(unpacked(true, 99, &[&bytes, &bytes]).unwrap().len(), 38);
        assert_eq!(unpacked(true, 99, &[]).unwrap(), b"");
    }

    #[test]
    fn a_body_has_so_many_bytes_as_it_comes_and_as_it_is_unpacked() {
        assert_eq!(unpacked(false, 3, &[b"ab", b"cd"]), Err(FaultId::TooLarge));
        let bytes = packed(&[0; 100_000]);
        assert_eq!(unpacked(true, 100_000, &[&bytes]).unwrap().len(), 100_000);
        assert_eq!(unpacked(true, 99_999, &[&bytes]), Err(FaultId::TooLarge));
        assert_eq!(unpacked(true, bytes.len() - 1, &[&bytes]), Err(FaultId::TooLarge));
    }

    #[test]
    fn what_cannot_be_unpacked_is_no_answer() {
        let bytes = packed(b"hello");
        assert_eq!(unpacked(true, 99, &[b"no gzip at all"]), Err(FaultId::Unreachable));
        assert_eq!(unpacked(true, 99, &[&bytes[..bytes.len() - 9]]), Err(FaultId::Unreachable));
    }
}
