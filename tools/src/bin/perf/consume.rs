//! Reads: key, value length and offset of each record.

use std::hint::black_box;
use std::time::{Duration, Instant};

use kavka::{Client, Consumer, ConsumerConfig, ShareConsumer, ShareConsumerConfig, TopicPartition};
use kavka_programs::{Interrupt, Outcome, Stop};
use kavka_tools::progress::Progress;

use super::PATIENCE;
use super::options::{Mode, Options, RecordsApi};
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
const CHUNK: usize = 256;

/// Where the records come from.
enum Source {
    /// As a member of a consumer group, or of assigned partitions.
    Consumer(Consumer),
    /// As a member of a share group, which accepts what it has handed over by the next call.
    Share(ShareConsumer),
}

impl Source {
    async fn open(options: &Options, client: &Client) -> Outcome<Self> {
        match (options.mode, &options.group) {
            (Mode::Share, Some(group)) => {
                let properties = options.properties(&[("group.id", group)])?;
                let consumer =
                    client.share_consumer(ShareConsumerConfig::from_properties(&properties)?)?;
                consumer.subscribe([&options.topic])?;
                Ok(Self::Share(consumer))
            }
            (_, group) => {
                // A batch is handed over whole; the other clients of the comparison may hand over
                // as many at a time.
                let defaults = [("auto.offset.reset", "earliest"), ("max.poll.records", "5000")];
                let mut config = ConsumerConfig::from_properties(&options.properties(&defaults)?)?;
                if let Some(group) = group {
                    config = config.group_id(group);
                }
                let consumer = client.consumer(config)?;
                if group.is_some() {
                    consumer.subscribe([&options.topic])?;
                } else {
                    let topic = client.admin().describe_topic(&options.topic).await?;
                    let partitions = topic.partitions.iter();
                    consumer.assign(
                        partitions.map(|one| TopicPartition::new(&options.topic, one.id)),
                    )?;
                }
                Ok(Self::Consumer(consumer))
            }
        }
    }

    async fn close(self) -> kavka::Result<()> {
        match self {
            Self::Consumer(consumer) => consumer.close(PATIENCE).await,
            Self::Share(consumer) => consumer.close(PATIENCE).await,
        }
    }
}

/// Consumes and measures.
pub(crate) async fn run(
    options: &Options,
    client: &Client,
    mut interrupt: Interrupt,
) -> Outcome<Report> {
    let mut source = tokio::select! {
        source = Source::open(options, client) => source?,
        () = interrupt.received() => {
            return Err(Stop::failure("interrupted before the topic was described"));
        }
    };
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
            done = next(options, &mut source, &mut read, &mut started) => done?,
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
    source.close().await?;
    Ok(report)
}

/// Reads the next records, at most as many as are still wanted.
async fn next(
    options: &Options,
    source: &mut Source,
    read: &mut Read,
    started: &mut Option<Instant>,
) -> Outcome<()> {
    let wanted = usize::try_from(options.records - read.records).unwrap_or(usize::MAX);
    match (source, options.records_api) {
        (Source::Consumer(consumer), RecordsApi::Batch) => {
            let batch = consumer.next_batch().await?;
            started.get_or_insert_with(Instant::now);
            for record in batch.iter().take(wanted) {
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
        (Source::Share(consumer), RecordsApi::Batch) => {
            let batch = consumer.next_batch().await?;
            started.get_or_insert_with(Instant::now);
            for record in batch.records().iter().take(wanted) {
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
        // As an application loops: what is about each round would cost more than a record.
        (Source::Consumer(consumer), RecordsApi::Recv) => {
            for _ in 0..CHUNK.min(wanted) {
                let record = consumer.recv().await?;
                started.get_or_insert_with(Instant::now);
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
        (Source::Share(consumer), RecordsApi::Recv) => {
            for _ in 0..CHUNK.min(wanted) {
                let record = consumer.recv().await?;
                started.get_or_insert_with(Instant::now);
                read.take(record.key(), record.value(), record.offset().0);
            }
        }
    }
    Ok(())
}
