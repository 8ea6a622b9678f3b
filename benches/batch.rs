//! Each stage between a record and its batch, beside its floor: `cargo bench --bench batch --features test-util`.
//!
//! Times are of one batch; the throughput counters give records per second. Figures and what they taught: `docs/performance.md`.

use std::hint::black_box;
use std::io::Write;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::bench::{self, Builder, Sealed};
use kavka::{Compression, Header};

fn main() {
    divan::main();
}

const BATCH: usize = 16 << 10;
const TIME: i64 = 1_700_000_000_000;
const SIZES: [usize; 3] = [10, 128, 1024];

/// JSON lines as services log them; about as compressible as real ones.
fn text() -> Vec<u8> {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
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
fn fill(builder: &mut Builder, text: &[u8], size: usize, headers: &[Header<'_>]) -> usize {
    let mut count = 0;
    for value in text.chunks_exact(size).cycle() {
        if !builder.append(BATCH, TIME, None, Some(black_box(value)), headers) {
            break;
        }
        count += 1;
    }
    count
}

fn sealed(size: usize, compression: Compression, headers: &[Header<'_>]) -> (Sealed, usize) {
    let mut builder = Builder::with_capacity(BATCH);
    let count = fill(&mut builder, &text(), size, headers);
    (builder.seal(compression), count)
}

fn batch(size: usize, compression: Compression, headers: &[Header<'_>]) -> (Bytes, usize) {
    let (sealed, count) = sealed(size, compression, headers);
    (sealed.batch(), count)
}

const HEADERS: [Header<'static>; 2] =
    [Header { name: "trace-id", value: Some(b"0123456789abcdef") }, Header { name: "source", value: Some(b"bench") }];

const CODECS: [Compression; 4] = [Compression::GZIP, Compression::SNAPPY, Compression::LZ4, Compression::ZSTD];

#[divan::bench_group(name = "1 append to a batch")]
mod append {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn records(bencher: Bencher<'_, '_>, size: usize) {
        let text = text();
        let (_, count) = sealed(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| {
            let mut builder = Builder::with_capacity(BATCH);
            fill(&mut builder, &text, size, &[]);
            builder
        });
    }

    #[divan::bench(args = SIZES)]
    fn with_two_headers(bencher: Bencher<'_, '_>, size: usize) {
        let text = text();
        let (_, count) = sealed(size, Compression::NONE, &HEADERS);
        bencher.counter(ItemsCount::new(count)).bench_local(|| {
            let mut builder = Builder::with_capacity(BATCH);
            fill(&mut builder, &text, size, &HEADERS);
            builder
        });
    }

    /// Copies the same values one after the other and nothing else.
    #[divan::bench(args = SIZES)]
    fn floor(bencher: Bencher<'_, '_>, size: usize) {
        let text = text();
        let (_, count) = sealed(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| {
            let mut to = Vec::with_capacity(BATCH);
            for value in text.chunks_exact(size).cycle().take(count) {
                to.extend_from_slice(black_box(value));
            }
            to
        });
    }
}

#[divan::bench_group(name = "2 seal")]
mod seal {
    use super::*;

    #[divan::bench(args = CODECS)]
    fn records(bencher: Bencher<'_, '_>, compression: Compression) {
        let text = text();
        let (_, count) = sealed(1024, compression, &[]);
        let open = || {
            let mut builder = Builder::with_capacity(BATCH);
            fill(&mut builder, &text, 1024, &[]);
            builder
        };
        bencher.counter(ItemsCount::new(count)).with_inputs(open).bench_local_values(|builder| builder.seal(compression));
    }

    /// The codec alone, on the same bytes.
    #[divan::bench(args = CODECS)]
    fn floor(bencher: Bencher<'_, '_>, compression: Compression) {
        let (batch, count) = batch(1024, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::compress(compression, black_box(&batch[61..])));
    }
}

#[divan::bench_group(name = "3 header and checksum")]
mod header {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn header(bencher: Bencher<'_, '_>, size: usize) {
        let (sealed, count) = sealed(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| black_box(&sealed).header());
    }

    #[divan::bench(args = SIZES)]
    fn floor(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| crc_fast::crc32_iscsi(black_box(&batch[21..])));
    }
}

#[divan::bench_group(name = "4 read a batch")]
mod read {
    use super::*;

    #[divan::bench(args = SIZES)]
    fn borrowed(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::read_borrowed(black_box(&batch), true));
    }

    #[divan::bench(args = SIZES)]
    fn borrowed_unchecked(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::read_borrowed(black_box(&batch), false));
    }

    #[divan::bench(args = SIZES)]
    fn borrowed_with_two_headers(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &HEADERS);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::read_borrowed(black_box(&batch), true));
    }

    #[divan::bench(args = SIZES)]
    fn owned(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::read_owned(black_box(&batch), true));
    }

    #[divan::bench(args = CODECS)]
    fn compressed(bencher: Bencher<'_, '_>, compression: Compression) {
        let (batch, count) = batch(1024, compression, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::read_borrowed(black_box(&batch), true));
    }

    /// The codec alone.
    #[divan::bench(args = CODECS)]
    fn compressed_floor(bencher: Bencher<'_, '_>, compression: Compression) {
        let (batch, count) = batch(1024, compression, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| bench::decompress(compression, black_box(&batch[61..]), 64 << 20));
    }

    #[divan::bench(args = SIZES)]
    fn kafka_protocol(bencher: Bencher<'_, '_>, size: usize) {
        let (batch, count) = batch(size, Compression::NONE, &[]);
        bencher.counter(ItemsCount::new(count)).bench_local(|| {
            kafka_protocol::records::RecordBatchDecoder::decode(&mut black_box(&batch).clone()).expect("a sound batch")
        });
    }
}
