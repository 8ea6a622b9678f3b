//! A batch that has come: its checksum and its records, borrowed or each on its own.

use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::bench;
use kavka::{Compression, Header};

use crate::material::{CODECS, SIZES, batch, headers};

#[divan::bench(args = SIZES)]
fn borrowed(bencher: Bencher<'_, '_>, size: usize) {
    read(bencher, size, Compression::NONE, &[], |batch| bench::read_borrowed(batch, true));
}

#[divan::bench(args = SIZES)]
fn borrowed_unchecked(bencher: Bencher<'_, '_>, size: usize) {
    read(bencher, size, Compression::NONE, &[], |batch| bench::read_borrowed(batch, false));
}

#[divan::bench(args = SIZES)]
fn borrowed_with_two_headers(bencher: Bencher<'_, '_>, size: usize) {
    read(bencher, size, Compression::NONE, &headers(), |batch| bench::read_borrowed(batch, true));
}

#[divan::bench(args = SIZES)]
fn owned(bencher: Bencher<'_, '_>, size: usize) {
    read(bencher, size, Compression::NONE, &[], |batch| bench::read_owned(batch, true));
}

#[divan::bench(args = CODECS)]
fn compressed(bencher: Bencher<'_, '_>, compression: Compression) {
    read(bencher, 1024, compression, &[], |batch| bench::read_borrowed(batch, true));
}

#[divan::bench(args = SIZES)]
fn kafka_protocol(bencher: Bencher<'_, '_>, size: usize) {
    read(bencher, size, Compression::NONE, &[], |batch| {
        let records = kafka_protocol::records::RecordBatchDecoder::decode(&mut batch.clone())
            .expect("a sound batch")
            .records;
        (u64::try_from(records.len()).expect("few"), 0)
    });
}

/// `work` gives the number of records, and what it made of them.
fn read(
    bencher: Bencher<'_, '_>,
    size: usize,
    compression: Compression,
    headers: &[Header<'_>],
    work: impl Fn(&Bytes) -> (u64, u64),
) {
    let (batch, count) = batch(size, compression, headers);
    assert_eq!(work(&batch).0, u64::try_from(count).expect("few"));
    bencher.counter(ItemsCount::new(count)).bench_local(|| work(black_box(&batch)));
}
