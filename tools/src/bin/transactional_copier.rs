//! Stands in for Java's TransactionalMessageCopier in Apache Kafka's system tests: copies records
//! from a partition, or as a member of a group, to another topic, exactly once.
//!
//! One task copies, and hears of rebalances only between two transactions: so the group waits until
//! the records of a partition that goes are committed or given back.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use kavka::{
    Class, Client, Consumer, ConsumerConfig, ConsumerGroupMetadata, ConsumerHandle, ConsumerRecord,
    Error, ErrorKind, OffsetAndMetadata, ProducerConfig, Record, TopicPartition, Transaction,
    TransactionalProducer,
};
use kavka_programs::{Connection, Interrupt, Outcome, Stop, complain};
use kavka_tools::cli;
use kavka_tools::rebalance::{PassOn, Rebalance};
use serde_json::json;
use tokio::sync::mpsc;

const NAME: &str = "transactional_copier";

/// How long a transaction waits for more records, as Java's polls.
const POLL: Duration = Duration::from_millis(200);

/// How long what is under way may still take after a signal, each of three times.
const PATIENCE: Duration = Duration::from_secs(5);

/// Copies records to another topic in transactions, with the offsets that were read, and prints
/// JSON lines, as Java's TransactionalMessageCopier does
///
/// It ends with status 0 when it has read what was there when it started, or when a rebalance has
/// given it partitions, and at SIGTERM and SIGINT; 1 if Kafka failed or another copier has its
/// transactional id, 2 for a wrong argument. Options win over files and -X.
#[derive(Debug, Parser)]
#[command(name = "transactional_copier")]
struct Options {
    #[command(flatten)]
    connection: Connection,
    #[arg(long)]
    input_topic: String,
    /// The partition to copy; not looked at with --group-mode
    #[arg(long, value_name = "PARTITION", required_unless_present = "group_mode")]
    input_partition: Option<i32>,
    #[arg(long)]
    output_topic: String,
    /// The group that the offsets are of
    #[arg(long, value_name = "GROUP", default_value = "-1")]
    consumer_group: String,
    #[arg(long, value_name = "ID")]
    transactional_id: String,
    /// Records of a transaction
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    transaction_size: u32,
    /// After so long the coordinator aborts a transaction
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    transaction_timeout: u32,
    /// Ends after N records at the latest; -1: at the end of the input
    #[arg(long, value_name = "N", default_value_t = -1)]
    max_messages: i64,
    /// Aborts one transaction of three
    #[arg(long)]
    enable_random_aborts: bool,
    /// Shares the partitions of the topic with the other members of the group
    #[arg(long)]
    group_mode: bool,
    /// Has the group refuse offsets of a member that it has replaced
    #[arg(long)]
    use_group_metadata: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit(NAME, run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse::<Options>()?;
    let bootstrap = options.connection.cluster()?;
    let interrupt = Interrupt::listen()?;
    let client = Client::new(options.connection.client(&bootstrap, "transactional-copier")?)?;
    copy(options, &client, interrupt, std::io::stdout()).await.map(|_| ExitCode::SUCCESS)
}

impl Options {
    /// How many records are copied at most.
    fn most(&self) -> u64 {
        u64::try_from(self.max_messages).unwrap_or(u64::MAX)
    }

    fn consumer(&self) -> Outcome<ConsumerConfig> {
        let records = self.transaction_size.to_string();
        let defaults = [
            ("auto.offset.reset", "earliest"),
            // A fetch at the end of the log holds up what is read again after an abort.
            ("fetch.max.wait.ms", "100"),
            ("isolation.level", "read_committed"),
            ("max.poll.interval.ms", "180000"),
            ("max.poll.records", &records),
            ("session.timeout.ms", "10000"),
        ];
        let mut properties = self.connection.properties(&defaults)?;
        properties.set("enable.auto.commit", "false");
        properties.set("group.id", &self.consumer_group);
        Ok(ConsumerConfig::from_properties(&properties)?)
    }

    fn producer(&self) -> Outcome<ProducerConfig> {
        // So small that a transaction has several requests under way.
        let mut properties = self.connection.properties(&[("batch.size", "512")])?;
        properties.set("transactional.id", &self.transactional_id);
        properties.set("transaction.timeout.ms", self.transaction_timeout.to_string());
        Ok(ProducerConfig::from_properties(&properties)?)
    }
}

/// Records to copy in one transaction, and as whom they were read.
struct Input {
    records: Vec<ConsumerRecord>,
    group: ConsumerGroupMetadata,
}

/// What is to be done before more is read, the first first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Go back to the committed offsets: what was read since was not copied.
    Rewind,
    /// Find out how much there is.
    Measure,
}

enum Step {
    Rewound,
    Measured(u64),
    Read(Input),
}

/// What the lines tell.
struct Progress<W> {
    out: W,
    transactional_id: String,
    total: u64,
    /// Since the last rebalance.
    consumed: u64,
    remaining: u64,
}

/// The task that copies.
struct Copier<W> {
    options: Options,
    consumer: Consumer,
    rebalances: mpsc::Receiver<Rebalance>,
    due: BTreeSet<Due>,
    progress: Progress<W>,
}

/// Copies until the input is used up, a signal or a failure.
async fn copy<W: Write>(
    options: Options,
    client: &Client,
    interrupt: Interrupt,
    out: W,
) -> Outcome<W> {
    let producer = client.transactional_producer(options.producer()?)?;
    let consumer = client.consumer(options.consumer()?)?;
    let (pass_on, rebalances) = PassOn::new();
    let topic = options.input_topic.as_str();
    let mut due = BTreeSet::new();
    match options.input_partition.filter(|_| !options.group_mode) {
        Some(partition) => {
            consumer.assign([TopicPartition::new(topic, partition)])?;
            due.insert(Due::Measure);
        }
        None => {
            consumer.rebalance_listener(pass_on);
            consumer.subscribe([topic])?;
        }
    }
    let transactional_id = options.transactional_id.clone();
    let remaining = options.most();
    let progress = Progress { out, transactional_id, total: 0, consumed: 0, remaining };
    let copier = Copier { options, consumer, rebalances, due, progress };
    copier.run(producer, interrupt).await
}

impl<W: Write> Copier<W> {
    async fn run(
        mut self,
        mut producer: TransactionalProducer,
        mut interrupt: Interrupt,
    ) -> Outcome<W> {
        let copied = self.copy_all(&mut producer, &mut interrupt).await;
        // Whoever waits for this task is let go.
        self.rebalances.close();
        while self.rebalances.try_recv().is_ok() {}
        for closed in [producer.close(PATIENCE).await, self.consumer.close(PATIENCE).await] {
            // After a failure this is only its consequence.
            if let (Err(error), true) = (closed, copied.is_ok()) {
                complain(NAME, error);
            }
        }
        self.progress.tell("ShutdownComplete")?;
        copied.map(|()| self.progress.out)
    }

    async fn copy_all(
        &mut self,
        producer: &mut TransactionalProducer,
        interrupt: &mut Interrupt,
    ) -> Outcome<()> {
        while self.progress.remaining > 0 || !self.due.is_empty() {
            self.progress.tell("ProcessLoop")?;
            let size = u64::from(self.options.transaction_size).min(self.progress.remaining);
            let step = tokio::select! {
                biased;
                () = interrupt.received() => return Ok(()),
                Some(rebalance) = self.rebalances.recv() => {
                    self.rebalanced(&rebalance);
                    continue;
                }
                step = next(&mut self.consumer, self.due.first().copied(), size) => step,
            };
            let done = match step {
                Ok(Step::Read(input)) => tokio::select! {
                    biased;
                    done = self.transact(producer, &input) => done,
                    () = after(interrupt) => return Ok(()),
                },
                Ok(Step::Rewound) => {
                    self.due.remove(&Due::Rewind);
                    Ok(())
                }
                Ok(Step::Measured(remaining)) => {
                    self.measured(remaining)?;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            match done {
                Err(error) if !can_go_on(&error) => return Err(Stop::failure(error)),
                Err(error) => complain(NAME, format_args!("{error}; going on")),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// What was read and is in no transaction is read again, by whoever has its partition then.
    fn rebalanced(&mut self, rebalance: &Rebalance) {
        self.due.insert(Due::Rewind);
        if rebalance.is_assigned {
            self.due.insert(Due::Measure);
        }
    }

    fn measured(&mut self, remaining: u64) -> Outcome<()> {
        self.due.remove(&Due::Measure);
        let wanted = self.options.most().saturating_sub(self.progress.total);
        self.progress.remaining = remaining.min(wanted);
        if !self.options.group_mode {
            return Ok(());
        }
        self.progress.consumed = 0;
        self.progress.tell("RebalanceComplete")
    }

    /// Copies all of the records, or none.
    async fn transact(
        &mut self,
        producer: &mut TransactionalProducer,
        input: &Input,
    ) -> kavka::Result<()> {
        if input.records.is_empty() {
            return Ok(());
        }
        // Until they are committed.
        self.due.insert(Due::Rewind);
        let group = match self.options.use_group_metadata {
            true => input.group.clone(),
            false => ConsumerGroupMetadata::new(self.options.consumer_group.as_str()),
        };
        let aborts = self.options.enable_random_aborts && is_one_of_three();
        let mut transaction = producer.begin().await?;
        let copied = match write(&transaction, &self.options.output_topic, input, &group).await {
            Ok(()) if aborts => return end(&mut transaction, false).await,
            Ok(()) => end(&mut transaction, true).await,
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            // The reason is of more use than what else may happen.
            let _ = end(&mut transaction, false).await;
            return Err(error);
        }
        self.due.remove(&Due::Rewind);
        let (count, progress) = (input.records.len() as u64, &mut self.progress);
        progress.total += count;
        progress.consumed += count;
        progress.remaining = progress.remaining.saturating_sub(count);
        Ok(())
    }
}

impl<W: Write> Progress<W> {
    fn tell(&mut self, stage: &str) -> Outcome<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = json!({
            "transactionalId": self.transactional_id,
            "stage": stage,
            "time": time(since),
            "totalProcessed": self.total,
            "consumed": self.consumed,
            "remaining": self.remaining.min(i64::MAX.unsigned_abs()),
        });
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }
}

/// The next thing to do. If it is dropped, records may be missed until the next rewinding.
async fn next(consumer: &mut Consumer, due: Option<Due>, size: u64) -> kavka::Result<Step> {
    match due {
        Some(Due::Rewind) => rewind(&consumer.handle()).await.map(|()| Step::Rewound),
        Some(Due::Measure) => remaining(&consumer.handle()).await.map(Step::Measured),
        None => read(consumer, size).await.map(Step::Read),
    }
}

/// Reads so many records, or what there is in time.
async fn read(consumer: &mut Consumer, size: u64) -> kavka::Result<Input> {
    let until = tokio::time::Instant::now() + POLL;
    let mut records: Vec<ConsumerRecord> = Vec::new();
    // Of the first record: the group accepts none of its offsets once it has gone on.
    let mut group = None;
    while (records.len() as u64) < size {
        match tokio::time::timeout_at(until, consumer.recv()).await {
            Ok(record) => records.push(record?),
            Err(_) => break,
        }
        if group.is_none() {
            group = Some(consumer.group_metadata()?);
        }
    }
    let group = group.map_or_else(|| consumer.group_metadata(), Ok)?;
    Ok(Input { records, group })
}

/// Has what was not committed read again.
async fn rewind(consumer: &ConsumerHandle) -> kavka::Result<()> {
    for (partition, committed) in consumer.committed(consumer.assignment()).await? {
        let sought = match committed {
            Some(committed) => consumer.seek(&partition, committed.offset),
            None => consumer.seek_to_beginning([&partition]),
        };
        is_assigned(sought)?;
    }
    Ok(())
}

/// How many records are left of what there is at this moment.
async fn remaining(consumer: &ConsumerHandle) -> kavka::Result<u64> {
    let mut remaining = 0;
    for (partition, end) in consumer.end_offsets(consumer.assignment()).await? {
        if let Some(position) = is_assigned(consumer.position(&partition).await)? {
            remaining += u64::try_from(end.0.saturating_sub(position.0)).unwrap_or(0);
        }
    }
    Ok(remaining)
}

/// `None` for a partition that has gone meanwhile.
fn is_assigned<T>(asked: kavka::Result<T>) -> kavka::Result<Option<T>> {
    match asked {
        Err(error) if error.kind() == ErrorKind::Config => Ok(None),
        asked => asked.map(Some),
    }
}

async fn write(
    transaction: &Transaction<'_>,
    topic: &str,
    input: &Input,
    group: &ConsumerGroupMetadata,
) -> kavka::Result<()> {
    let mut offsets = BTreeMap::new();
    for record in &input.records {
        let copy = Record::to(topic).partition(record.partition());
        // Its verdict is in that of the transaction.
        drop(transaction.send(copy.key(record.key()).value(record.value())).await?);
        let mut offset = OffsetAndMetadata::new(record.offset().advance(1));
        offset.leader_epoch = record.leader_epoch();
        offsets.insert(record.topic_partition().clone(), offset);
    }
    transaction.send_offsets(offsets, group).await
}

/// Ends a transaction, however long its coordinator is away.
async fn end(transaction: &mut Transaction<'_>, commits: bool) -> kavka::Result<()> {
    loop {
        let ended = if commits { transaction.commit().await } else { transaction.abort().await };
        match ended {
            Err(error) if error.kind() == ErrorKind::Timeout => complain(NAME, error),
            ended => return ended,
        }
    }
}

/// Whether the records that were read, and those after them, can still be copied.
fn can_go_on(error: &Error) -> bool {
    matches!(error.class(), Class::Abortable | Class::Retriable | Class::Rejoin)
}

fn is_one_of_three() -> bool {
    // Each has its own random keys.
    RandomState::new().build_hasher().finish().is_multiple_of(3)
}

/// Some time after a signal.
async fn after(interrupt: &mut Interrupt) {
    interrupt.received().await;
    tokio::time::sleep(PATIENCE).await;
}

/// A time in UTC, as Java's program writes it.
fn time(since: Duration) -> String {
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}:{millis:03}")
}

/// The date so many days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // In years that begin in March a leap day is the last: 1970 began on their day 719,468.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + era * 400, month, day)
}

#[cfg(test)]
mod tests {
    use kavka::{IsolationLevel, NewTopic};
    use kavka_testcontainers::embedded::EmbeddedCluster;
    use serde_json::Value;

    use super::*;

    fn read_options(line: &str) -> Outcome<Options> {
        cli::parse_from(line.split_whitespace())
    }

    const REQUIRED: &str = "--transactional-id x --input-topic in --output-topic out";

    #[test]
    fn javas_options_are_understood() {
        let options = read_options(&format!(
            "{REQUIRED} --input-partition 0 --broker-list h:1 --consumer-group g \
             --transaction-size 5 --transaction-timeout 7000 --max-messages 20 \
             --enable-random-aborts --group-mode --use-group-metadata"
        ));
        let options = options.expect("good options");
        options.consumer().expect("good settings");
        options.producer().expect("good settings");
        assert_eq!((options.transaction_size, options.most()), (5, 20));
        read_options(&format!("{REQUIRED} --group-mode --bootstrap-server h:1"))
            .expect("no partition is needed");
        for line in ["", "--input-partition x", "--input-partition 0 --transaction-size 0"] {
            let refused = read_options(&format!("{REQUIRED} {line}"));
            assert!(matches!(refused, Err(Stop::Usage(_))), "{line}");
        }
    }

    #[test]
    fn a_time_is_written_as_by_java() {
        for (millis, text) in [
            (0, "1970/01/01 00:00:00:000"),
            (951_827_696_789, "2000/02/29 12:34:56:789"),
            (1_795_471_629_429, "2026/11/23 22:07:09:429"),
        ] {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }

    #[tokio::test]
    async fn each_record_is_copied_once_whatever_is_aborted() {
        for mode in ["--input-partition 0 --max-messages 30", "--group-mode --use-group-metadata"] {
            let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
            let bootstrap = cluster.bootstrap_servers();
            let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
            for topic in ["in", "out"] {
                client.admin().create_topic(NewTopic::new(topic)).await.expect("a topic");
            }
            let producer = client.producer(ProducerConfig::new()).expect("good settings");
            let values: Vec<String> = (0..30).map(|number| number.to_string()).collect();
            let records = values.iter().map(|value| Record::to("in").value(value).partition(0));
            producer.send_all(records).await.await.expect("acknowledged");

            let options = format!(
                "{REQUIRED} --consumer-group g --transaction-size 4 --enable-random-aborts {mode}"
            );
            let options = read_options(&options).expect("good options");
            let interrupt = Interrupt::listen().expect("signals");
            let out = copy(options, &client, interrupt, Vec::new()).await.expect("it copies");

            let config = ConsumerConfig::new()
                .auto_offset_reset(kavka::AutoOffsetReset::Earliest)
                .isolation_level(IsolationLevel::ReadCommitted);
            let mut reader = client.consumer(config).expect("good settings");
            reader.assign([TopicPartition::new("out", 0)]).expect("a partition");
            for value in &values {
                let record = reader.recv().await.expect("a record");
                assert_eq!(record.value(), Some(value.as_bytes()), "{mode}");
            }
            cluster.shutdown().await;
            let lines: Vec<Value> = String::from_utf8(out)
                .expect("JSON is text")
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect();
            let last = lines.last().expect("a line");
            assert_eq!(
                (&last["stage"], &last["totalProcessed"], &last["remaining"]),
                (&json!("ShutdownComplete"), &json!(30), &json!(0)),
                "{mode}"
            );
            assert!(lines.iter().any(|line| line["stage"] == "ProcessLoop"));
        }
    }
}
