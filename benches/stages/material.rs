//! What all stages work on: batches of records that look like real ones.

use std::hint::black_box;
use std::io::Write;

use bytes::Bytes;
use kavka::bench::{Builder, Sealed};
use kavka::{Compression, Header};

pub(crate) const BATCH: usize = 16 << 10;
pub(crate) const SIZES: [usize; 3] = [10, 128, 1024];
pub(crate) const CODECS: [Compression; 4] =
    [Compression::GZIP, Compression::SNAPPY, Compression::LZ4, Compression::ZSTD];

/// How many partitions a request or a reply is about.
pub(crate) const PARTITIONS: [usize; 3] = [1, 6, 60];

pub(crate) fn headers() -> [Header<'static>; 2] {
    [Header::new("trace-id", "0123456789abcdef"), Header::new("source", "bench")]
}

/// The topic of requests and replies, by name and id.
pub(crate) const TOPIC: &str = "orders";
pub(crate) const TOPIC_ID: [u8; 16] = [7; 16];

pub(crate) const TIME: i64 = 1_700_000_000_000;

/// JSON lines as services log them; about as compressible as real ones.
pub(crate) fn text() -> Vec<u8> {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut text = Vec::new();
    while text.len() < 4 * BATCH {
        let (service, host, id, took) = (below(8), below(20), below(100_000), below(500));
        writeln!(
            text,
            r#"{{"level":"INFO","service":"orders-{service}","host":"node-{host}.example.internal","path":"/api/v1/items/{id}","took_ms":{took}}}"#
        )
        .expect("memory is writable");
    }
    text
}

/// Appends records of `size` until the batch is full; how many there are.
pub(crate) fn fill(
    builder: &mut Builder,
    text: &[u8],
    size: usize,
    headers: &[Header<'_>],
) -> usize {
    let mut count = 0;
    for value in text.chunks_exact(size).cycle() {
        if !builder.append(BATCH, TIME, None, Some(black_box(value)), headers) {
            break;
        }
        count += 1;
    }
    count
}

/// A batch of records of `size`, complete but for its header, and how many there are.
pub(crate) fn sealed(
    size: usize,
    compression: Compression,
    headers: &[Header<'_>],
) -> (Sealed, usize) {
    let mut builder = Builder::with_capacity(BATCH);
    let count = fill(&mut builder, &text(), size, headers);
    (builder.seal(compression), count)
}

/// A whole batch of records of `size`, and how many there are.
pub(crate) fn batch(
    size: usize,
    compression: Compression,
    headers: &[Header<'_>],
) -> (Bytes, usize) {
    let (sealed, count) = sealed(size, compression, headers);
    (sealed.batch(), count)
}
