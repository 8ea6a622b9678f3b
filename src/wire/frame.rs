//! One request as it leaves: its bytes in segments, so that batches of records go to the socket
//! uncopied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use zeroize::{Zeroize, Zeroizing};

/// The bytes of one request with the length in front, to be written as they stand.
///
/// It is a [`Buf`], so `write_all_buf` of tokio writes all segments by vectored writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// None is empty.
    segments: VecDeque<Bytes>,
    remaining: usize,
}

impl Frame {
    /// How many bytes are still to be written.
    pub(crate) fn len(&self) -> usize {
        self.remaining
    }

    /// The same bytes, which are overwritten when nobody holds them any more, whether they were
    /// written or not.
    #[must_use]
    pub(super) fn into_secret(self) -> Self {
        let secret = |segment: Bytes| {
            let copy = Zeroizing::new(segment.to_vec());
            if let Ok(mut bytes) = segment.try_into_mut() {
                bytes.as_mut().zeroize();
            }
            Bytes::from_owner(copy)
        };
        Self {
            segments: self.segments.into_iter().map(secret).collect(),
            remaining: self.remaining,
        }
    }

    /// An empty frame with room for so many segments.
    pub(super) fn with_capacity(segments: usize) -> Self {
        Self { segments: VecDeque::with_capacity(segments), remaining: 0 }
    }

    pub(super) fn push(&mut self, segment: Bytes) {
        if !segment.is_empty() {
            self.remaining += segment.len();
            self.segments.push_back(segment);
        }
    }
}

impl Buf for Frame {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&[], |first| first.as_ref())
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        self.segments.iter().zip(into).map(|(segment, slot)| *slot = IoSlice::new(segment)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advance past the end of a frame");
        self.remaining -= count;
        while let Some(first) = self.segments.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let mut frame = Frame::default();
        for segment in ["length", "", "batch", "rest"] {
            frame.push(Bytes::from_static(segment.as_bytes()));
        }
        frame
    }

    #[test]
    fn segments_are_offered_in_order_and_without_the_empty() {
        let frame = frame();
        let mut slots = [IoSlice::new(&[]); 8];
        assert_eq!(frame.chunks_vectored(&mut slots), 3);
        assert_eq!(
            (&*slots[0], &*slots[1], &*slots[2]),
            (&b"length"[..], &b"batch"[..], &b"rest"[..])
        );
        assert_eq!(frame.len(), 15);
    }

    #[test]
    fn a_partial_write_may_end_anywhere() {
        for cut in 0..=15 {
            let mut frame = frame();
            frame.advance(cut);
            assert_eq!(frame.len(), 15 - cut);
            assert_eq!(frame.copy_to_bytes(15 - cut), b"lengthbatchrest"[cut..]);
            assert!(!frame.has_remaining());
        }
    }
}
