//! The bound under settings, sizes and pauses that are drawn from a seed. `KAVKA_SEEDS` is how many
//! seeds are run.

use std::time::Duration;

use kavka::{
    Acks, AutoOffsetReset, Client, ClientConfig, Compression, ConsumerConfig, ProducerConfig,
    Record, TopicPartition,
};
use tokio::time::timeout;

use super::{MEMORY, PARTITIONS, PATIENCE, REST};
use crate::dice::Dice;

/// How many seeds `cargo test` runs.
const DEFAULT_SEEDS: u64 = 6;

/// How much each seed sends, many times what is allowed to be kept.
const BYTES: usize = 16 << 20;

/// No more than so many records, and batches.
const RECORDS: usize = 40_000;
const BATCHES: usize = 2_000;

pub(crate) fn keep_to_their_memory(bootstrap: &str) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seeds: u64 = number("KAVKA_SEEDS").unwrap_or(DEFAULT_SEEDS);
    for seed in number("KAVKA_SEED").map_or(1..=seeds, |seed: u64| seed..=seed) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(seed, bootstrap));
    }
}

async fn live(seed: u64, bootstrap: &str) {
    let mut dice = Dice::new(seed);
    let batch_size = dice.pick(&[0, 1, 1_000, 16_384, 1 << 20]);
    let buffer_memory = dice.pick(&[200_000, 1 << 20, 4 << 20]).max(batch_size);
    let value = dice.pick(&[0, 100, 1_000, 50_000]);
    let compression =
        dice.pick(&[Compression::NONE, Compression::NONE, Compression::LZ4, Compression::ZSTD]);
    let acks = dice.pick(&[Acks::None, Acks::Leader, Acks::All]);
    let writing = ProducerConfig::new()
        .batch_size(batch_size)
        .buffer_memory(buffer_memory)
        .compression(compression)
        .acks(acks)
        .enable_idempotence(false)
        .linger(dice.millis(0..=20))
        .max_block(PATIENCE);
    let fetch_buffer: usize = dice.pick(&[1, 100_000, 3 << 20]);
    let fetch: i32 = dice.pick(&[1_000, 100_000, 1 << 20]);
    let reading = ConsumerConfig::new()
        .fetch_buffer_bytes(fetch_buffer)
        .fetch_max_bytes(fetch)
        .max_partition_fetch_bytes(fetch)
        .auto_offset_reset(AutoOffsetReset::Earliest);
    println!("seed {seed}: {writing:?} {reading:?}, values of {value}");

    let client = Client::new(ClientConfig::new(bootstrap).client_id("drawn")).unwrap();
    let topic = format!("drawn-{seed}");
    let count =
        (BYTES / value.max(1)).min(if batch_size < 2 * value.max(500) { BATCHES } else { RECORDS });
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let producer = client.producer(writing).unwrap();
    let text = vec![b'x'; value];
    for _ in 0..count {
        drop(
            timeout(PATIENCE, producer.send(Record::to(&topic).value(&text)))
                .await
                .unwrap()
                .unwrap(),
        );
    }
    producer.close(PATIENCE).await.unwrap();
    let peak = MEMORY.peak_usage() - before;
    println!("seed {seed}: {count} records, producing {peak}");
    assert!(peak <= buffer_memory + REST, "seed {seed}: {peak} bytes while producing");

    MEMORY.reset_peak_usage();
    let mut consumer = client.consumer(reading).unwrap();
    let partitions: Vec<_> =
        (0..PARTITIONS).map(|partition| TopicPartition::new(topic.clone(), partition)).collect();
    consumer.assign(partitions.clone()).unwrap();
    let (mut came, mut quiet) = (0, 0);
    // Without acknowledgements some may not have arrived.
    while came < count && (acks != Acks::None || quiet < 5) {
        assert!(quiet < 100, "seed {seed}: {came} of {count} have come");
        if dice.once_in(500) {
            // All may be paused: nothing comes then until one goes on.
            let some: Vec<_> = partitions.iter().filter(|_| dice.once_in(2)).collect();
            consumer.pause(some).unwrap();
            let _ = timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
        }
        match timeout(Duration::from_millis(200), consumer.recv()).await {
            Ok(record) => {
                (came, quiet) = (came + 1, 0);
                assert_eq!(record.unwrap().value().map(<[u8]>::len), Some(value));
            }
            Err(_) => {
                quiet += 1;
                consumer.resume(&partitions).unwrap();
            }
        }
    }
    consumer.close(PATIENCE).await.unwrap();
    let peak = MEMORY.peak_usage() - before;
    println!("seed {seed}: consuming {peak}");
    let most = fetch_buffer + usize::try_from(fetch).unwrap().max(batch_size).max(value) + REST;
    assert!(peak <= most, "seed {seed}: {peak} bytes while consuming, {most} are allowed");
    client.close(PATIENCE).await.unwrap();
}
