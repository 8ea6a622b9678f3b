//! `-C`: records to lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Stdout, Write};
use std::process::ExitCode;
use std::time::Duration;

use kavka::{Client, Consumer, ConsumerConfig, ConsumerRecord, Offset, TopicPartition};

use super::common::signal::Interrupt;
use super::common::{Outcome, Stop};
use super::format::{self, Format};
use super::{Options, Start, metadata};

/// How often the position is compared with the end where no record tells it: behind the last record may stand the markers of
/// transactions, or what compaction has removed.
const LOOK: Duration = Duration::from_millis(100);

/// Prints records until the end, the count or a signal.
pub(crate) async fn run(options: Options, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    let mut printer = Printer::new(&options);
    let client = metadata::client(&options)?;
    let mut consumer = client.consumer(config(&options)?)?;
    let outcome = tokio::select! {
        outcome = consume(&options, &client, &mut consumer, &mut printer) => outcome,
        () = interrupt.received() => Ok(()),
    };
    let printed = printer.flush();
    let closed = consumer.close(Duration::from_secs(4)).await;
    outcome.and(printed)?;
    // Offsets that could not be committed are told; all else has been printed.
    if options.group.is_some() {
        closed?;
    }
    Ok(ExitCode::SUCCESS)
}

fn config(options: &Options) -> Outcome<ConsumerConfig> {
    let reset = match (options.start, &options.group) {
        (None | Some(Start::Beginning), _) => "earliest",
        (Some(Start::End), _) => "latest",
        (Some(Start::At(_) | Start::BeforeEnd(_)), None) => "earliest",
        (Some(_), Some(_)) => return Err(Stop::usage("with -G only beginning and end are allowed for -o")),
    };
    if options.group.is_some() && options.partition.is_some() {
        return Err(Stop::usage("-G and -p exclude each other: the group shares the partitions out"));
    }
    let mut properties = options.connection.properties(&[("auto.offset.reset", reset)])?;
    match &options.group {
        Some(group) => properties.set("group.id", group),
        // Without -G nothing is committed, whatever the settings say.
        None => properties.set("enable.auto.commit", "false"),
    }
    Ok(ConsumerConfig::from_properties(&properties)?)
}

async fn consume(options: &Options, client: &Client, consumer: &mut Consumer, printer: &mut Printer) -> Outcome<()> {
    let topic = options.topics.first().map_or("", String::as_str);
    let mut ends = Ends::default();
    if options.group.is_some() {
        consumer.subscribe([topic])?;
    } else {
        let partitions = partitions(options, client, topic).await?;
        if options.ends {
            ends.learn(consumer, &partitions).await?;
        }
        consumer.assign(partitions.clone())?;
        start(options, consumer, &partitions).await?;
    }
    let mut left = options.count.unwrap_or(u64::MAX);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while left > 0 {
        tokio::select! {
            biased;
            record = consumer.recv() => {
                if !printer.print(&record?)? {
                    return Ok(());
                }
                left -= 1;
            }
            // Only when there is no record at hand.
            _ = look.tick() => {
                printer.flush()?;
                if options.ends && ends.are_reached(consumer).await? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn partitions(options: &Options, client: &Client, topic: &str) -> Outcome<Vec<TopicPartition>> {
    let described = client.admin().describe_topic(topic).await?;
    let all = described.partitions.iter().map(|partition| partition.id);
    let chosen: Vec<TopicPartition> =
        all.filter(|id| options.partition.is_none_or(|wanted| wanted == id.0)).map(|id| TopicPartition::new(topic, id)).collect();
    match (chosen.is_empty(), options.partition) {
        (true, Some(wanted)) => Err(Stop::failure(format_args!("topic {topic} has no partition {wanted}"))),
        _ => Ok(chosen),
    }
}

/// Seeks where `-o` says.
async fn start(options: &Options, consumer: &Consumer, partitions: &[TopicPartition]) -> Outcome<()> {
    match options.start.unwrap_or(Start::Beginning) {
        Start::Beginning => consumer.seek_to_beginning(partitions)?,
        Start::End => consumer.seek_to_end(partitions)?,
        Start::At(offset) => {
            for partition in partitions {
                consumer.seek(partition, offset)?;
            }
        }
        Start::BeforeEnd(count) => {
            let beginnings = consumer.beginning_offsets(partitions.iter().cloned()).await?;
            for (partition, end) in consumer.end_offsets(partitions.iter().cloned()).await? {
                let beginning = beginnings.get(&partition).copied().unwrap_or(Offset(0));
                consumer.seek(&partition, beginning.max(end.advance(-count)))?;
            }
        }
    }
    Ok(())
}

/// The end of each partition when it was first looked at.
#[derive(Default)]
struct Ends(BTreeMap<TopicPartition, Offset>);

impl Ends {
    async fn learn(&mut self, consumer: &Consumer, partitions: &[TopicPartition]) -> Outcome<()> {
        let unknown: BTreeSet<_> = partitions.iter().filter(|partition| !self.0.contains_key(partition)).cloned().collect();
        if !unknown.is_empty() {
            self.0.extend(consumer.end_offsets(unknown).await?);
        }
        Ok(())
    }

    /// Whether all that is assigned has been read to its end; a member that is assigned nothing has not.
    async fn are_reached(&mut self, consumer: &Consumer) -> Outcome<bool> {
        let assigned = consumer.assignment();
        self.learn(consumer, &assigned).await?;
        for partition in &assigned {
            let end = self.0.get(partition).copied().unwrap_or(Offset(i64::MAX));
            if consumer.position(partition).await? < end {
                return Ok(false);
            }
        }
        Ok(!assigned.is_empty())
    }
}

/// Standard output, in the form that was asked for.
struct Printer {
    to: BufWriter<Stdout>,
    /// `None` for JSON lines.
    format: Option<Format>,
}

impl Printer {
    fn new(options: &Options) -> Self {
        let format = match &options.format {
            Some(format) => Some(format.clone()),
            None if options.is_json => None,
            None => Some(Format::plain(options.separator.as_deref())),
        };
        Self { to: BufWriter::with_capacity(64 * 1024, std::io::stdout()), format }
    }

    /// False if nobody reads any more.
    fn print(&mut self, record: &ConsumerRecord) -> Outcome<bool> {
        let written = match &self.format {
            Some(format) => format.write(&mut self.to, record),
            None => format::write_json(&mut self.to, record),
        };
        Self::is_read(written)
    }

    fn flush(&mut self) -> Outcome<()> {
        let flushed = self.to.flush();
        Self::is_read(flushed).map(drop)
    }

    fn is_read(written: std::io::Result<()>) -> Outcome<bool> {
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
