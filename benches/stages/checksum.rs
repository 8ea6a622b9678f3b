//! The CRC-32C of a batch: of header and records when it is sent, of the whole when it has come.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use kavka::bench;

use crate::material::{BATCH, SIZES, sealed, text};
use kavka::Compression;

const LENGTHS: [usize; 2] = [1 << 10, BATCH];

/// The part of a header that the checksum covers.
const HEAD: usize = 40;

fn bytes(length: usize) -> Vec<u8> {
    // The check value of CRC-32C.
    assert_eq!(bench::checksum(b"1234", b"56789"), 0xe306_9283);
    text()[..length].to_vec()
}

/// As it is computed of what is sent: in two pieces.
#[divan::bench(args = LENGTHS)]
fn of_two_pieces(bencher: Bencher<'_, '_>, length: usize) {
    let bytes = bytes(length);
    let (head, rest) = bytes.split_at(HEAD);
    assert_eq!(bench::checksum(head, rest), crc_fast::crc32_iscsi(&bytes));
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| bench::checksum(black_box(head), black_box(rest)));
}

/// As it is computed of what was fetched.
#[divan::bench(args = LENGTHS)]
fn of_one_piece(bencher: Bencher<'_, '_>, length: usize) {
    let bytes = bytes(length);
    assert_eq!(bench::checksum(&[], &bytes), crc_fast::crc32_iscsi(&bytes));
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| bench::checksum(&[], black_box(&bytes)));
}

/// The library's function for just this.
#[divan::bench(args = LENGTHS)]
fn library(bencher: Bencher<'_, '_>, length: usize) {
    let bytes = bytes(length);
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| crc_fast::crc32_iscsi(black_box(&bytes)));
}

/// Copies as many bytes.
#[divan::bench(args = LENGTHS)]
fn memcpy(bencher: Bencher<'_, '_>, length: usize) {
    let bytes = bytes(length);
    let mut to = vec![0; length];
    bencher
        .counter(BytesCount::new(length))
        .bench_local(|| black_box(&mut to).copy_from_slice(black_box(&bytes)));
}

/// The header of a batch of 16 KiB, most of which is the checksum.
#[divan::bench(args = SIZES)]
fn header(bencher: Bencher<'_, '_>, size: usize) {
    let (sealed, count) = sealed(size, Compression::NONE, &[]);
    assert_eq!(bench::read_borrowed(&sealed.batch(), true).0, u64::try_from(count).expect("few"));
    bencher.bench_local(|| black_box(&sealed).header());
}
