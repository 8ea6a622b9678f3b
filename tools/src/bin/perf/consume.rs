//! Reads: key, value length and offset of each record.

use std::hint::black_box;
use std::time::{Duration, Instant};

use kavka::{Client, Consumer, ConsumerConfig, TopicPartition};
use kavka_programs::{Interrupt, Outcome, Stop};

use super::PATIENCE;
use super::options::{Options, RecordsApi};
use super::progress::Progress;
use super::report::Report;

/// After so long without a record there are not as many as were asked for.
pub(crate) const NOTHING_COMES: Duration = Duration::from_secs(60);

/// What was read; kept, so that reading cannot be optimised away.
#[derive(Debug, Default)]
struct Read {
    records: u64,
    bytes: u64,
    key_bytes: u64,
    offsets: i64,
}

impl Read {
    #[inline]
    fn take(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, offset: i64) {
        self.records += 1;
        self.bytes += value.map_or(0, <[u8]>::len) as u64;
        self.key_bytes += key.map_or(0, <[u8]>::len) as u64;
        self.offsets = self.offsets.wrapping_add(offset);
    }
}

/// Records that are received before signals and silence are looked at again.
const CHUNK: u64 = 256;

/// Consumes and measures.
pub(crate) async fn run(
    options: &Options,
    client: &Client,
    mut interrupt: Interrupt,
) -> Outcome<Report> {
    let mut config = ConsumerConfig::from_properties(
        // A batch is handed over whole; the other clients of the comparison may hand over as many
        // at a time.
        &options.properties(&[("auto.offset.reset", "earliest"), ("max.poll.records", "5000")])?,
    )?;
    if let Some(group) = &options.group {
        config = config.group_id(group);
    }
    let mut consumer = client.consumer(config)?;
    match options.group {
        Some(_) => consumer.subscribe([&options.topic])?,
        None => {
            let admin = client.admin();
            let topic = tokio::select! {
                topic = admin.describe_topic(&options.topic) => topic?,
                () = interrupt.received() => {
                    return Err(Stop::failure("interrupted before the topic was described"));
                }
            };
            consumer.assign(
                topic
                    .partitions
                    .iter()
                    .map(|partition| TopicPartition::new(&options.topic, partition.id)),
            )?;
        }
    }
    let progress = Progress::start(options.records);
    let mut read = Read::default();
    let mut started = None;
    let mut seen = 0;
    let mut silence =
        tokio::time::interval_at(tokio::time::Instant::now() + NOTHING_COMES, NOTHING_COMES);
    while read.records < options.records {
        let before = read.records;
        tokio::select! {
            biased;
            done = next(options, &mut consumer, &mut read, &mut started) => done?,
            () = interrupt.received() => break,
            _ = silence.tick() => {
                if read.records == seen {
                    let (seen, all) = (read.records, options.records);
                    return Err(Stop::failure(format_args!("only {seen} of {all} records came, \
                                                           and none for {NOTHING_COMES:?}")));
                }
                seen = read.records;
            }
        }
        progress.add(read.records - before);
    }
    let elapsed = started.map_or(Duration::ZERO, |started: Instant| started.elapsed());
    progress.stop();
    black_box(&read);
    let report = Report::consumed(read.records, read.bytes, elapsed);
    consumer.close(PATIENCE).await?;
    Ok(report)
}

/// Reads the next records, at most as many as are still wanted.
async fn next(
    options: &Options,
    consumer: &mut Consumer,
    read: &mut Read,
    started: &mut Option<Instant>,
) -> Outcome<()> {
    match options.records_api {
        RecordsApi::Batch => {
            let batch = consumer.next_batch().await?;
            started.get_or_insert_with(Instant::now);
            let wanted = usize::try_from(options.records - read.records).unwrap_or(usize::MAX);
            for record in batch.iter().take(wanted) {
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
        RecordsApi::Recv => {
            // As an application loops: what is about each round would cost more than a record.
            for _ in 0..CHUNK.min(options.records - read.records) {
                let record = consumer.recv().await?;
                started.get_or_insert_with(Instant::now);
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
    }
    Ok(())
}
