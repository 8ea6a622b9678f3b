//! Cuts what arrives on a socket into frames, and decides how much room to make for the next.
//!
//! A frame is a length and as many bytes. The length is the peer's word, so it does not decide how
//! much is allocated: room grows with what has arrived, or up to what frames of this connection
//! have already needed, so that a connection with large frames reads them without copying and a
//! lying peer gains nothing.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind};

/// Room made for reading while nothing larger is expected (a guess: some small replies, or the
/// start of a large one).
const SMALL: usize = 16 * 1024;

/// The length before each frame.
const PREFIX: usize = 4;

/// Bytes that have arrived and are not yet a frame.
#[derive(Debug)]
pub(crate) struct Incoming {
    buffer: BytesMut,
    /// The longest frame that this connection has brought whole.
    largest: usize,
    limit: usize,
}

/// The peer announced a frame that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {} bytes, of at most {limit}", i32::from_be_bytes(*prefix))]
pub(crate) struct BadLength {
    /// The four bytes of the length.
    pub(crate) prefix: [u8; PREFIX],
    pub(crate) limit: usize,
}

impl Incoming {
    /// Accepts frames of up to `limit` bytes (`receive.message.max.bytes`).
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), largest: 0, limit }
    }

    /// Accepts a next frame of up to `limit` bytes.
    pub(crate) fn expect(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Where to read to, with room, and how many bytes may be read.
    pub(crate) fn room(&mut self) -> (&mut BytesMut, usize) {
        let announced = self.announced().unwrap_or(0);
        let missing = (PREFIX + announced).saturating_sub(self.buffer.len());
        let trusted = (4 * self.largest).max(self.buffer.len()).max(SMALL);
        let wanted = missing.max(SMALL).min(trusted);
        if self.buffer.capacity() - self.buffer.len() < missing.clamp(1, wanted) {
            self.buffer.reserve(wanted);
        }
        // A large frame is read to its end and no further, so that it need not be moved to make
        // room for the next.
        let readable = self.buffer.capacity() - self.buffer.len();
        let most = if missing > SMALL { missing.min(readable) } else { readable };
        (&mut self.buffer, most)
    }

    /// The next whole frame, without its length.
    pub(crate) fn frame(&mut self) -> Result<Option<Bytes>, BadLength> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>().copied() else { return Ok(None) };
        let length = usize::try_from(i32::from_be_bytes(prefix))
            .ok()
            .filter(|length| (PREFIX..=self.limit).contains(length));
        let Some(length) = length else { return Err(BadLength { prefix, limit: self.limit }) };
        if self.buffer.len() - PREFIX < length {
            return Ok(None);
        }
        self.largest = self.largest.max(length);
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Whether part of a frame has arrived.
    pub(crate) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn announced(&self) -> Option<usize> {
        let prefix = self.buffer.first_chunk::<PREFIX>()?;
        usize::try_from(i32::from_be_bytes(*prefix)).ok().filter(|length| *length <= self.limit)
    }
}

impl BadLength {
    /// How long the frame is that a connection ended for, and how long it may be, if it may be one
    /// of Kafka's.
    pub(crate) fn of(error: &Error) -> Option<(usize, usize)> {
        let Self { prefix, limit } = *std::error::Error::source(error)?.downcast_ref()?;
        let length = usize::try_from(i32::from_be_bytes(prefix)).ok()?;
        (length > limit).then_some((length, limit))
    }

    /// A peer that speaks TLS is one that this client is not set up for, whatever else it is.
    pub(crate) fn error(self) -> Error {
        let kind = if self.is_tls() { ErrorKind::Tls } else { ErrorKind::Protocol };
        Error::new(kind, self.explain()).with_source(self)
    }

    /// A TLS record: alert (21) or handshake (22), version 3.x.
    fn is_tls(self) -> bool {
        matches!(self.prefix, [21 | 22, 3, 0..=4, _])
    }

    /// Says what the peer seems to be, since most wrong lengths come from something that is not
    /// Kafka.
    pub(crate) fn explain(self) -> String {
        let Self { prefix, limit } = self;
        if &prefix == b"HTTP" || prefix[..3] == *b"<ht" {
            return "the peer answers HTTP: this is not the port of a Kafka broker".to_owned();
        }
        if self.is_tls() {
            return "the peer speaks TLS, but security.protocol is plaintext: set \
                    security.protocol=SSL or SASL_SSL"
                .to_owned();
        }
        let length = i32::from_be_bytes(prefix);
        format!(
            "a frame of {length} bytes was announced; 4 to {limit} are accepted \
             (receive.message.max.bytes)"
        )
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    fn arrive(incoming: &mut Incoming, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (buffer, most) = incoming.room();
            let take = most.min(bytes.len());
            assert!(take > 0, "there is always room for something");
            buffer.put_slice(&bytes[..take]);
            bytes = &bytes[take..];
        }
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn frames_are_cut_wherever_reads_end() {
        let bodies: [&[u8]; 3] = [&[1; 4], &[2; 70_000], &[3; 9]];
        let wire: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
        for step in [1, 7, 1000, wire.len()] {
            let mut incoming = Incoming::new(1 << 20);
            let mut found = Vec::new();
            for chunk in wire.chunks(step) {
                arrive(&mut incoming, chunk);
                while let Some(frame) = incoming.frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, bodies, "in steps of {step}");
            assert!(!incoming.is_partial());
        }
    }

    #[test]
    fn an_announced_length_alone_allocates_little() {
        let mut incoming = Incoming::new(100_000_000);
        arrive(&mut incoming, &99_000_000_u32.to_be_bytes());
        assert_eq!(incoming.frame(), Ok(None));
        let (buffer, _) = incoming.room();
        assert!(buffer.capacity() <= 2 * SMALL, "{} bytes", buffer.capacity());
    }

    #[test]
    fn room_follows_what_has_arrived() {
        let mut incoming = Incoming::new(100_000_000);
        arrive(&mut incoming, &framed(&[0; 1 << 20])[..(1 << 20) - 1]);
        let (buffer, _) = incoming.room();
        assert!(buffer.capacity() <= 4 << 20, "{} bytes", buffer.capacity());
    }

    #[test]
    fn a_second_large_frame_gets_its_room_at_once() {
        let mut incoming = Incoming::new(100_000_000);
        let frame = framed(&[0; 1 << 20]);
        arrive(&mut incoming, &frame);
        assert!(incoming.frame().unwrap().is_some());
        arrive(&mut incoming, &frame[..PREFIX]);
        let (buffer, most) = incoming.room();
        assert!(buffer.capacity() >= frame.len() - PREFIX);
        assert_eq!(most, frame.len() - PREFIX);
    }

    #[test]
    fn other_protocols_are_recognised() {
        for (bytes, word) in [
            (b"HTTP", "HTTP"),
            (b"\x15\x03\x03\x00", "TLS"),
            (b"\xff\xff\xff\xff", "-1 bytes"),
            (b"\0\0\0\x02", "2 bytes"),
        ] {
            let mut incoming = Incoming::new(1000);
            arrive(&mut incoming, bytes);
            let said = incoming.frame().unwrap_err().explain();
            assert!(said.contains(word), "{said}");
        }
    }

    /// Whatever arrives, in whatever pieces, comes out as frames, or is refused, and makes no more
    /// room than it needs.
    #[cfg(feature = "admin")]
    #[test]
    fn hostile_frames() {
        let valid = |random: &mut crate::clock::Random| {
            let frame = |len: u64| {
                let length = u32::try_from(len + 4).unwrap().to_be_bytes();
                [&length[..], &vec![7; usize::try_from(len + 4).unwrap()]].concat()
            };
            let bytes: Vec<u8> = (0..3).flat_map(|_| frame(random.below(60))).collect();
            (bytes, usize::try_from(1 + random.below(40)).unwrap())
        };
        crate::wire::hostile::survive("frames", valid, crate::fuzz::frames, |len| {
            4 * len + 3 * SMALL as u64
        });
    }
}
