//! A record into the open batch of its partition: encoded where it will be sent from.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::Header;
use kavka::bench::{self, Builder};

use crate::material::{BATCH, SIZES, fill, headers, sealed, text};
use kavka::Compression;

#[divan::bench(args = SIZES)]
fn records(bencher: Bencher<'_, '_>, size: usize) {
    append(bencher, size, &[]);
}

#[divan::bench(args = SIZES)]
fn with_two_headers(bencher: Bencher<'_, '_>, size: usize) {
    append(bencher, size, &headers());
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

fn append(bencher: Bencher<'_, '_>, size: usize, headers: &[Header<'_>]) {
    let text = text();
    let (sealed, count) = sealed(size, Compression::NONE, headers);
    assert_eq!(bench::read_borrowed(&sealed.batch(), true).0, u64::try_from(count).expect("few"));
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let mut builder = Builder::with_capacity(BATCH);
        fill(&mut builder, &text, size, headers);
        builder
    });
}
