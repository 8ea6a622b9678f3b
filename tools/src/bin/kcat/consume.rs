//! `-C`: records to lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use kavka::{Client, Consumer, ConsumerConfig, Offset, TopicPartition};
use kavka_programs::{Interrupt, Outcome, Stop, is_read};
use kavka_tools::progress::Progress;

use super::format::{self, Format};
use super::{Options, Start, metadata};

mod share;

/// How often the position is compared with the end where no record tells it: behind the last record
/// may stand the markers of transactions, or what compaction has removed.
const LOOK: Duration = Duration::from_millis(100);

/// Prints records until the end, the count or a signal.
pub(crate) async fn run(options: Options, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    if let Some(group) = options.share.clone() {
        return share::run(options, &group, interrupt).await;
    }
    let mut printer = Printer::new(&options, std::io::stdout());
    let client = metadata::client(&options)?;
    let mut consumer = client.consumer(config(&options)?)?;
    let outcome = tokio::select! {
        outcome = consume(&options, &client, &mut consumer, &mut printer) => outcome,
        () = interrupt.received() => Ok(()),
    };
    let printed = printer.flush();
    let closed = consumer.close(Duration::from_secs(4)).await;
    outcome.and(printed.map(drop))?;
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
        // An offset that there is not: as the well-known tool, which prints nothing old then.
        (Some(Start::At(_)), None) => "latest",
        // What was there when it was looked up, and is deleted by now.
        (Some(Start::BeforeEnd(_)), None) => "earliest",
        (Some(_), Some(_)) => {
            return Err(Stop::usage("with -G only beginning and end are allowed for -o"));
        }
    };
    if options.group.is_some() && options.partition.is_some() {
        return Err(Stop::usage(
            "-G and -p exclude each other: the group shares the partitions out",
        ));
    }
    let mut properties = options.connection.properties(&[("auto.offset.reset", reset)])?;
    match &options.group {
        Some(group) => properties.set("group.id", group),
        // Without -G nothing is committed, whatever the settings say.
        None => properties.set("enable.auto.commit", "false"),
    }
    Ok(ConsumerConfig::from_properties(&properties)?)
}

async fn consume(
    options: &Options,
    client: &Client,
    consumer: &mut Consumer,
    printer: &mut Printer,
) -> Outcome<()> {
    let topic = options.topics.first().map_or("", String::as_str);
    let mut ends = Ends::default();
    // A member of a group waits for a topic for as long as it takes; whoever typed its name wants
    // to hear that there is none.
    let partitions = partitions(options, client, topic).await?;
    if options.group.is_some() {
        consumer.subscribe([topic])?;
    } else {
        if options.ends {
            ends.learn(consumer, &partitions).await?;
        }
        consumer.assign(partitions.clone())?;
        start(options, consumer, &partitions).await?;
    }
    let mut left = options.count.unwrap_or(u64::MAX);
    let progress = match ends.left(consumer).await?.unwrap_or(u64::MAX).min(left) {
        u64::MAX => None,
        known => Some(Progress::start_beside_results(known)),
    };
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
                if let Some(progress) = &progress {
                    progress.add(1);
                }
            }
            // Only when there is no record at hand.
            _ = look.tick() => {
                if !printer.flush()? {
                    return Ok(());
                }
                if options.ends && ends.are_reached(consumer).await? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn partitions(
    options: &Options,
    client: &Client,
    topic: &str,
) -> Outcome<Vec<TopicPartition>> {
    let described = client.admin().describe_topic(topic).await?;
    let all = described.partitions.iter().map(|partition| partition.id);
    let chosen: Vec<TopicPartition> = all
        .filter(|id| options.partition.is_none_or(|wanted| wanted == id.0))
        .map(|id| TopicPartition::new(topic, id))
        .collect();
    match (chosen.is_empty(), options.partition) {
        (true, Some(wanted)) => {
            Err(Stop::failure(format_args!("topic {topic} has no partition {wanted}")))
        }
        _ => Ok(chosen),
    }
}

/// Seeks where `-o` says.
async fn start(
    options: &Options,
    consumer: &Consumer,
    partitions: &[TopicPartition],
) -> Outcome<()> {
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
        let unknown: BTreeSet<_> = partitions
            .iter()
            .filter(|partition| !self.0.contains_key(partition))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            self.0.extend(consumer.end_offsets(unknown).await?);
        }
        Ok(())
    }

    /// How many offsets are still before the ends, if those are known: gaps count as records.
    async fn left(&self, consumer: &Consumer) -> Outcome<Option<u64>> {
        let mut left = (!self.0.is_empty()).then_some(0u64);
        for (partition, end) in &self.0 {
            let behind = end.0.saturating_sub(consumer.position(partition).await?.0);
            left = left.map(|left| left.saturating_add(u64::try_from(behind).unwrap_or(0)));
        }
        Ok(left)
    }

    /// Whether all that is assigned has been read to its end; a member that is assigned nothing has
    /// not.
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
    to: BufWriter<Box<dyn Write + Send>>,
    /// `None` for JSON lines.
    format: Option<Format>,
}

impl Printer {
    fn new(options: &Options, to: impl Write + Send + 'static) -> Self {
        let format = match &options.format {
            Some(format) => Some(format.clone()),
            None if options.is_json => None,
            None => Some(Format::plain(options.separator.as_deref())),
        };
        Self { to: BufWriter::with_capacity(64 * 1024, Box::new(to)), format }
    }

    /// False if nobody reads any more.
    #[must_use = "it ends when nobody reads any more"]
    fn print(&mut self, record: &impl format::Printable) -> Outcome<bool> {
        let written = match &self.format {
            Some(format) => format.write(&mut self.to, record),
            None => format::write_json(&mut self.to, record),
        };
        is_read(written)
    }

    /// False if nobody reads any more.
    #[must_use = "it ends when nobody reads any more"]
    fn flush(&mut self) -> Outcome<bool> {
        is_read(self.to.flush())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
mod tests {
    use std::sync::{Arc, Mutex};

    use kavka::ClientConfig;
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    /// A pipe whose reader leaves after the first line.
    #[derive(Clone, Default)]
    struct Head(Arc<Mutex<Vec<u8>>>);

    impl Write for Head {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut read = self.0.lock().unwrap();
            if read.contains(&b'\n') {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            read.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is printed, until it ends or nothing more comes for a second.
    async fn printed(cluster: &EmbeddedCluster, options: Options) -> (String, bool) {
        #[derive(Clone, Default)]
        struct All(Arc<Mutex<Vec<u8>>>);
        impl Write for All {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let mut consumer = client.consumer(config(&options).unwrap()).unwrap();
        let all = All::default();
        let mut printer = Printer::new(&options, all.clone());
        let consuming = consume(&options, &client, &mut consumer, &mut printer);
        let has_ended = tokio::time::timeout(Duration::from_secs(1), consuming).await.is_ok();
        drop(printer);
        (String::from_utf8(all.0.lock().unwrap().clone()).unwrap(), has_ended)
    }

    async fn cluster() -> EmbeddedCluster {
        EmbeddedCluster::builder().auto_create_topics(false).topic("t", 1, 1).start().await.unwrap()
    }

    fn options() -> Options {
        Options { topics: vec!["t".to_owned()], ..Options::default() }
    }

    #[tokio::test]
    async fn it_ends_when_nobody_reads_any_more_though_records_come_one_by_one() {
        let cluster = cluster().await;
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let options = options();
        let mut consumer = client.consumer(config(&options).unwrap()).unwrap();
        let head = Head::default();
        let mut printer = Printer::new(&options, head.clone());
        let append = async {
            for line in ["one", "two", "three"] {
                cluster.append("t", 0, &[(None, Some(line.as_bytes()))]).unwrap();
                tokio::time::sleep(LOOK * 3).await;
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(
                Duration::from_secs(10),
                consume(&options, &client, &mut consumer, &mut printer),
            ) => ended,
            () = append => unreachable!(),
        };
        assert!(ended.is_ok_and(|ended| ended.is_ok()), "it went on without a reader");
        assert_eq!(*head.0.lock().unwrap(), b"one\n");
    }

    #[tokio::test]
    async fn from_past_the_end_nothing_old_is_printed() {
        let cluster = cluster().await;
        for line in ["one", "two"] {
            cluster.append("t", 0, &[(None, Some(line.as_bytes()))]).unwrap();
        }
        for offset in [2, 3, 1_000_000] {
            for ends in [false, true] {
                let options = Options { start: Some(Start::At(Offset(offset))), ends, ..options() };
                assert_eq!(printed(&cluster, options).await, (String::new(), ends), "{offset}");
            }
        }
        let mut from_1 = options();
        from_1.start = Some(Start::At(Offset(1)));
        assert_eq!(printed(&cluster, from_1).await.0, "two\n");
    }

    #[tokio::test]
    async fn a_group_hears_of_a_topic_that_does_not_exist() {
        let cluster = cluster().await;
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let options = Options {
            topics: vec!["nowhere".to_owned()],
            group: Some("g".to_owned()),
            ..Options::default()
        };
        let mut consumer = client.consumer(config(&options).unwrap()).unwrap();
        let mut printer = Printer::new(&options, std::io::sink());
        let consuming = consume(&options, &client, &mut consumer, &mut printer);
        let Ok(Err(Stop::Failure(told))) =
            tokio::time::timeout(Duration::from_secs(20), consuming).await
        else {
            panic!("it waits for the topic without a word");
        };
        assert!(told.contains("nowhere") && told.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{told}");
    }
}
