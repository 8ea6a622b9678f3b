//! Room of batches that are gone, for the batches that open next: without it, each would go through
//! the allocator and touch new pages.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Some free buffers, beside `buffer.memory`: at most as many as make up [`MOST_BYTES`], if they
/// are of `batch.size`.
#[derive(Debug)]
pub(in crate::producer) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    /// Larger ones are not kept.
    largest: usize,
}

impl Buffers {
    pub(in crate::producer) fn new(batch_size: usize) -> Self {
        Self { free: Mutex::default(), largest: batch_size }
    }

    /// An empty buffer with room for `capacity` bytes, and for not more than twice as many.
    pub(in crate::producer) fn take(&self, capacity: usize) -> Vec<u8> {
        let fits =
            |buffer: &Vec<u8>| (capacity..=capacity.saturating_mul(2)).contains(&buffer.capacity());
        let kept = self.lock().pop();
        // Batches of one producer are alike: what does not fit now is of no more use.
        kept.filter(fits).unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    /// Keeps the buffer under these bytes, if nobody else holds them.
    pub(in crate::producer) fn give(&self, bytes: Bytes) {
        if !bytes.is_unique() {
            return;
        }
        let mut buffer = Vec::from(bytes);
        let most = MOST_BYTES.checked_div(self.largest).unwrap_or(0);
        let mut free = self.lock();
        if buffer.capacity() <= self.largest && free.len() < most {
            buffer.clear();
            free.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the replies to a few requests set free at a time (a guess).
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = MOST_BYTES / 4;

    fn used(capacity: usize) -> Bytes {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.push(1);
        Bytes::from(buffer)
    }

    #[test]
    fn a_buffer_is_used_again_where_it_fits() {
        let buffers = Buffers::new(BATCH);
        let first = used(100);
        let place = first.as_ptr();
        buffers.give(first);
        let again = buffers.take(60);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        for capacity in [101, 49] {
            buffers.give(used(100));
            let fresh = buffers.take(capacity);
            assert_eq!(fresh.capacity(), capacity);
        }
    }

    #[test]
    fn what_others_hold_is_too_large_or_too_much_is_not_kept() {
        let buffers = Buffers::new(BATCH);
        let shared = used(100);
        let _holder = shared.clone();
        buffers.give(shared);
        buffers.give(used(BATCH + 1));
        assert_eq!(buffers.lock().len(), 0);
        for _ in 0..5 {
            buffers.give(used(BATCH));
        }
        assert_eq!(buffers.lock().len(), 4);
    }
}
