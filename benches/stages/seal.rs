//! The end of a batch: compressing it.

use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::Compression;
use kavka::bench::{self, Builder};

use crate::libraries::Libraries;
use crate::material::{BATCH, CODECS, batch, fill, sealed, text};

/// Where records begin in a batch.
const HEADER: usize = 61;

/// The records of a batch, 1 KiB each, and how many there are.
fn records() -> (Bytes, usize) {
    let (batch, count) = batch(1024, Compression::NONE, &[]);
    (batch.slice(HEADER..), count)
}

#[divan::bench(args = CODECS)]
fn seal(bencher: Bencher<'_, '_>, compression: Compression) {
    let text = text();
    let (sealed, count) = sealed(1024, compression, &[]);
    assert_eq!(bench::read_borrowed(&sealed.batch(), true).0, u64::try_from(count).expect("few"));
    let open = || {
        let mut builder = Builder::with_capacity(BATCH);
        fill(&mut builder, &text, 1024, &[]);
        builder
    };
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(open)
        .bench_local_values(|builder| builder.seal(compression));
}

/// Our function over the library: framed as Kafka wants it, and copied into memory of the exact
/// size.
#[divan::bench(args = CODECS)]
fn function(bencher: Bencher<'_, '_>, compression: Compression) {
    let (records, count) = records();
    let packed = bench::compress(compression, &records).expect("it becomes smaller");
    assert_eq!(bench::decompress(compression, &packed, records.len()), records);
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        bench::compress(compression, black_box(&records)).map(|packed| packed.len())
    });
}

#[divan::bench(args = CODECS)]
fn library(bencher: Bencher<'_, '_>, compression: Compression) {
    let (records, count) = records();
    let mut libraries = Libraries::new();
    let packed = libraries.compress(compression, &records).to_vec();
    assert_eq!(libraries.decompress(compression, &packed), records);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| libraries.compress(compression, black_box(&records)).len());
}

/// The way back.
mod open {
    use super::*;

    #[divan::bench(args = CODECS)]
    fn function(bencher: Bencher<'_, '_>, compression: Compression) {
        let (records, count) = records();
        let packed = bench::compress(compression, &records).expect("it becomes smaller");
        bencher
            .counter(ItemsCount::new(count))
            .bench_local(|| bench::decompress(compression, black_box(&packed), 64 << 20).len());
    }

    #[divan::bench(args = CODECS)]
    fn library(bencher: Bencher<'_, '_>, compression: Compression) {
        let (records, count) = records();
        let mut libraries = Libraries::new();
        let packed = libraries.compress(compression, &records).to_vec();
        bencher
            .counter(ItemsCount::new(count))
            .bench_local(|| libraries.decompress(compression, black_box(&packed)).len());
    }
}
