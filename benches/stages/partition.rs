//! Which partition a record goes to: by its key, or while it has none the one that is in use.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use kavka::bench::Partitioning;
use kavka::{PartitionId, Record};

/// Records a sample: one alone takes less than a reading of the clock.
const RECORDS: usize = 1024;

const LENGTHS: [usize; 2] = [10, 36];

fn keys(length: usize) -> Vec<String> {
    (0..RECORDS).map(|number| format!("{number:0length$}")).collect()
}

/// murmur2, and the partition of six.
#[divan::bench(args = LENGTHS)]
fn by_key(bencher: Bencher<'_, '_>, length: usize) {
    let keys = keys(length);
    let partitioning = Partitioning::new(6);
    let choose = |key: &String| partitioning.choose(&Record::to("orders").key(black_box(key)));
    for partition in 0..6 {
        let share = keys.iter().filter(|key| choose(key) == PartitionId(partition)).count();
        assert!(
            (RECORDS / 12..RECORDS / 3).contains(&share),
            "keys are spread: {share} of {RECORDS}"
        );
    }
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| keys.iter().map(choose).map(|id| id.0).sum::<i32>());
}

/// Walks over the same keys, four bytes at a time as the hash does.
#[divan::bench(args = LENGTHS)]
fn walk_over_key(bencher: Bencher<'_, '_>, length: usize) {
    let keys = keys(length);
    let walk = |key: &String| {
        let (words, tail) = black_box(key).as_bytes().as_chunks::<4>();
        let sum =
            words.iter().fold(0, |sum: u32, word| sum.rotate_left(1) ^ u32::from_le_bytes(*word));
        tail.iter().fold(sum, |sum, byte| sum.rotate_left(1) ^ u32::from(*byte))
    };
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| keys.iter().map(walk).fold(0, u32::wrapping_add));
}

#[divan::bench]
fn without_key(bencher: Bencher<'_, '_>) {
    let partitioning = Partitioning::new(6);
    let record = Record::to("orders").value("tea");
    assert_eq!(
        partitioning.choose(&record),
        partitioning.choose(&record),
        "it stays until a batch is full"
    );
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        for _ in 0..RECORDS {
            black_box(partitioning.choose(black_box(&record)));
        }
    });
}

/// Once a batch: the next partition is drawn, those with shorter queues rather. The counter gives
/// batches.
#[divan::bench(args = [6, 60])]
fn next_without_key(bencher: Bencher<'_, '_>, partitions: usize) {
    let partitioning = Partitioning::new(partitions);
    let mut drawn = [0; 2];
    for _ in 0..RECORDS {
        let next = usize::try_from(partitioning.move_on().0).expect("a partition");
        drawn[usize::from(next >= partitions / 2)] += 1;
    }
    assert!(drawn[0] > drawn[1], "the first half has the shorter queues: {drawn:?}");
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| partitioning.move_on());
}
