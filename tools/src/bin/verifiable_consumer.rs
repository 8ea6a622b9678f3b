//! Stands in for Java's VerifiableConsumer in Apache Kafka's system tests: a member of a group that
//! tells as JSON lines what it is given, reads and commits.
//!
//! One task writes all lines, and between two of its steps nothing is delivered: so records are
//! told before their commit and before their partition goes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::Write;
use std::pin::pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use clap::Parser;
use kavka::{
    Class, Client, Consumer, ConsumerConfig, ConsumerHandle, Error, ErrorCode, ErrorKind, Offset,
    RecordBatch, TopicPartition,
};
use kavka_programs::{Connection, Interrupt, Outcome, Stop, complain};
use kavka_tools::cli;
use kavka_tools::events::{Events, text};
use kavka_tools::rebalance::{PassOn, Rebalance};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long a commit may still take after a signal.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// How many records count as one poll.
const POLL: usize = 500;

/// Consumes a topic as a member of a group and prints JSON lines, as Java's VerifiableConsumer does
///
/// At SIGTERM and SIGINT it commits, leaves the group and ends with status 0; 1 if Kafka failed, 2
/// for a wrong argument. Options win over files and -X; --consumer.config and --broker-list are the
/// older names of --command-config and --bootstrap-server.
#[derive(Debug, Parser)]
#[command(name = "verifiable_consumer")]
struct Options {
    #[command(flatten)]
    connection: Connection,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group_id: String,
    /// Makes the member static
    #[arg(long, value_name = "ID")]
    group_instance_id: Option<String>,
    /// classic or consumer [default: classic]
    #[arg(long, value_name = "PROTOCOL")]
    group_protocol: Option<String>,
    /// uniform or range, under --group-protocol consumer
    #[arg(long, value_name = "NAME")]
    group_remote_assignor: Option<String>,
    /// [default: 30000]
    #[arg(long, value_name = "MS")]
    session_timeout: Option<String>,
    /// Java's RangeAssignor, RoundRobinAssignor, StickyAssignor, CooperativeStickyAssignor, in
    /// org.apache.kafka.clients.consumer [default: the first]
    #[arg(long, value_name = "CLASS[,CLASS…]")]
    assignment_strategy: Option<String>,
    /// Commits from time to time, not after each poll
    #[arg(long)]
    enable_autocommit: bool,
    /// earliest, latest or none [default: earliest]
    #[arg(long, value_name = "POLICY")]
    reset_policy: Option<String>,
    /// Ends after N records; -1: at SIGTERM or SIGINT
    #[arg(long, value_name = "N", default_value_t = -1)]
    max_messages: i64,
    /// How long leaving may take
    #[arg(long, value_name = "MS", default_value_t = 20_000)]
    close_timeout: u64,
    /// Prints each record, too
    #[arg(long)]
    verbose: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("verifiable_consumer", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse::<Options>()?;
    let bootstrap = options.connection.cluster()?;
    let interrupt = Interrupt::listen()?;
    let (_, consumed) = consume(options, &bootstrap, interrupt, Events::to_stdout()).await?;
    consumed.map(|()| ExitCode::SUCCESS)
}

impl Options {
    /// The settings, and whether offsets that are not there are reset.
    fn config(&self) -> Outcome<(ConsumerConfig, bool)> {
        let protocol = self.group_protocol.as_deref().map(str::to_lowercase);
        // As Java's program: what only the other protocol has is left out.
        let is_classic = protocol.as_deref() != Some("consumer");
        let of_classic = [
            ("session.timeout.ms", "30000"),
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"),
        ];
        let mut defaults = vec![("auto.offset.reset", "earliest")];
        defaults.extend(of_classic.iter().filter(|_| is_classic));
        let mut properties = self.connection.properties(&defaults)?;
        // Options win over files.
        properties.set("group.id", &self.group_id);
        properties.set("enable.auto.commit", self.enable_autocommit.to_string());
        let either = |classic, consumer| if is_classic { classic } else { consumer };
        for (name, value) in [
            ("group.instance.id", &self.group_instance_id),
            ("group.protocol", &protocol),
            ("group.remote.assignor", either(&None, &self.group_remote_assignor)),
            ("session.timeout.ms", either(&self.session_timeout, &None)),
            ("partition.assignment.strategy", either(&self.assignment_strategy, &None)),
            ("auto.offset.reset", &self.reset_policy),
        ] {
            if let Some(value) = value {
                properties.set(name, value);
            }
        }
        let is_reset = properties.get("auto.offset.reset") != Some("none");
        Ok((ConsumerConfig::from_properties(&properties)?, is_reset))
    }
}

/// What was read of one partition in one poll.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    count: u64,
    min: i64,
    max: i64,
}

type Summaries = BTreeMap<TopicPartition, Summary>;

/// The task that consumes and writes.
struct Member<W: Write> {
    options: Options,
    handle: ConsumerHandle,
    interrupt: Interrupt,
    events: Events<W>,
    /// Whether offsets that are not there are reset.
    is_reset: bool,
    /// The next offset of each partition that was read since it was assigned.
    positions: BTreeMap<TopicPartition, Offset>,
    consumed: u64,
}

/// Consumes until a signal, the last record wanted, or a failure. The output, and how consuming
/// ended.
async fn consume<W: Write>(
    options: Options,
    bootstrap: &str,
    interrupt: Interrupt,
    mut events: Events<W>,
) -> Outcome<(W, Outcome<()>)> {
    let (config, is_reset) = options.config()?;
    let client = Client::new(options.connection.client(bootstrap, "verifiable-consumer")?)?;
    let mut consumer = client.consumer(config)?;
    events.emit("startup_complete", Value::Null)?;
    events.flush()?;
    let (pass_on, mut changes) = PassOn::new();
    consumer.rebalance_listener(pass_on);
    consumer.subscribe([&options.topic])?;

    let close_timeout = Duration::from_millis(options.close_timeout);
    let handle = consumer.handle();
    let positions = BTreeMap::new();
    let mut member =
        Member { options, handle, interrupt, events, is_reset, positions, consumed: 0 };
    let mut ended = member.run(&mut consumer, &mut changes).await;
    let was_asked = member.interrupt.is_received();
    if was_asked {
        member.events.emit("shutdown_requested", Value::Null)?;
        member.events.flush()?;
    }
    member.commit_positions(None).await;

    let mut closing = pin!(consumer.close(close_timeout));
    let closed = loop {
        tokio::select! {
            biased;
            Some(change) = changes.recv() => member.tell(change).await?,
            closed = &mut closing => break closed,
        }
    };
    match closed {
        // Who was asked to end has ended, also where no coordinator is left to say goodbye to.
        Err(error) if was_asked => complain("verifiable_consumer", format_args!("{error}")),
        closed => ended = ended.and(closed.map_err(Stop::from)),
    }
    member.events.emit("shutdown_complete", Value::Null)?;
    if !was_asked {
        // Java's says so when its process ends, whatever the reason.
        member.events.emit("shutdown_requested", Value::Null)?;
    }
    member.events.flush()?;
    Ok((member.events.into_inner(), ended))
}

impl<W: Write> Member<W> {
    async fn run(
        &mut self,
        consumer: &mut Consumer,
        changes: &mut mpsc::Receiver<Rebalance>,
    ) -> Outcome<()> {
        let mut interrupt = self.interrupt.clone();
        while self.wanted() > 0 {
            tokio::select! {
                biased;
                () = interrupt.received() => return Ok(()),
                Some(change) = changes.recv() => self.tell(change).await?,
                batch = consumer.next_batch() => match batch {
                    Ok(batch) => self.take(consumer, batch).await?,
                    Err(error) => self.survive(error)?,
                },
            }
        }
        Ok(())
    }

    /// Complains of what Java's consumer gets over by itself, and ends for the rest.
    fn survive(&self, error: Error) -> Outcome<()> {
        // With a reset policy, a log that was cut is read on from there.
        let is_reset = self.is_reset && error.kind() == ErrorKind::LogTruncated;
        let is_passing = matches!(error.class(), Class::Retriable | Class::Rejoin)
            // Its place is another's now, for good.
            && error.code() != Some(ErrorCode::FENCED_INSTANCE_ID);
        if !is_reset && !is_passing {
            return Err(Stop::failure(error));
        }
        complain("verifiable_consumer", format_args!("{error}; going on"));
        Ok(())
    }

    fn wanted(&self) -> u64 {
        u64::try_from(self.options.max_messages)
            .map_or(u64::MAX, |most| most.saturating_sub(self.consumed))
    }

    /// Tells of a batch and, if this program commits by itself, of all that is there without
    /// waiting; then commits.
    async fn take(&mut self, consumer: &mut Consumer, first: RecordBatch) -> Outcome<()> {
        let mut summaries = Summaries::new();
        let mut count = self.read(&first, &mut summaries)?;
        let mut failure = None;
        // Asking for a batch allows an automatic commit of the one before, which must have been
        // told.
        while !self.options.enable_autocommit && count < POLL && self.wanted() > 0 {
            let mut next = pin!(consumer.next_batch());
            match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
                Poll::Ready(Ok(batch)) => count += self.read(&batch, &mut summaries)?,
                // What came before it is told first.
                Poll::Ready(Err(error)) => {
                    failure = Some(error);
                    break;
                }
                Poll::Pending => break,
            }
        }
        if !summaries.is_empty() {
            self.tell_read(summaries).await?;
        }
        failure.map_or(Ok(()), |error| self.survive(error))
    }

    async fn tell_read(&mut self, summaries: Summaries) -> Outcome<()> {
        self.events.emit("records_consumed", records_consumed(&summaries))?;
        self.events.flush()?;
        let offsets: BTreeMap<_, _> = summaries
            .into_iter()
            .map(|(partition, summary)| (partition, Offset(summary.max).advance(1)))
            .collect();
        self.positions.extend(offsets.clone());
        if !self.options.enable_autocommit {
            let outcome = self.commit(&offsets).await;
            self.events.emit("offsets_committed", offsets_committed(&offsets, outcome.err()))?;
            self.events.flush()?;
        }
        Ok(())
    }

    /// How many records were read: those of the batch that are still wanted.
    fn read(&mut self, batch: &RecordBatch, summaries: &mut Summaries) -> Outcome<usize> {
        let mut count = 0;
        for record in batch.iter().take(usize::try_from(self.wanted()).unwrap_or(usize::MAX)) {
            count += 1;
            let offset = record.offset().0;
            let summary = summaries.entry(batch.topic_partition().clone());
            let summary = summary.or_insert(Summary { count: 0, min: offset, max: offset });
            summary.count += 1;
            summary.max = offset;
            if self.options.verbose {
                let fields = json!({
                    "topic": record.topic(),
                    "partition": record.partition().0,
                    "offset": offset,
                    "key": text(record.key()),
                    "value": text(record.value()),
                });
                self.events.emit("record_data", fields)?;
            }
        }
        self.consumed += count as u64;
        Ok(count)
    }

    /// Java's program has one word for what is revoked and what is lost.
    async fn tell(&mut self, change: Rebalance) -> Outcome<()> {
        if !change.is_assigned {
            self.commit_positions(Some(&change.partitions)).await;
            self.positions.retain(|partition, _| !change.partitions.contains(partition));
        }
        let partitions: Vec<_> = change.partitions.iter().map(place).collect();
        let name = if change.is_assigned { "partitions_assigned" } else { "partitions_revoked" };
        self.events.emit(name, json!({"partitions": partitions}))?;
        self.events.flush()
    }

    /// With automatic commits: commits what was told, of some partitions or all. Without, that has
    /// been done.
    async fn commit_positions(&self, of: Option<&[TopicPartition]>) {
        if !self.options.enable_autocommit {
            return;
        }
        let mut positions = self.positions.clone();
        positions.retain(|partition, _| of.is_none_or(|of| of.contains(partition)));
        if !positions.is_empty()
            && let Err(error) = self.commit(&positions).await
        {
            complain("verifiable_consumer", format_args!("could not commit: {error}"));
        }
    }

    /// Commits, and does not wait long once a signal has come.
    async fn commit(&self, offsets: &BTreeMap<TopicPartition, Offset>) -> Result<(), String> {
        let mut interrupt = self.interrupt.clone();
        let offsets = offsets.iter().map(|(partition, offset)| (partition.clone(), *offset));
        tokio::select! {
            biased;
            outcome = self.handle.commit_offsets(offsets) => {
                outcome.map_err(|error: Error| error.to_string())
            }
            () = async { interrupt.received().await; tokio::time::sleep(COMMIT_PATIENCE).await } => {
                Err("interrupted before the coordinator answered".to_owned())
            }
        }
    }
}

fn place(partition: &TopicPartition) -> Value {
    json!({"topic": partition.topic.as_str(), "partition": partition.partition.0})
}

fn records_consumed(summaries: &Summaries) -> Value {
    let partitions = summaries.iter().map(|(partition, Summary { count, min, max })| {
        let mut object = place(partition);
        object["count"] = (*count).into();
        object["minOffset"] = (*min).into();
        object["maxOffset"] = (*max).into();
        object
    });
    let count: u64 = summaries.values().map(|summary| summary.count).sum();
    json!({"count": count, "partitions": partitions.collect::<Vec<_>>()})
}

fn offsets_committed(offsets: &BTreeMap<TopicPartition, Offset>, error: Option<String>) -> Value {
    let committed = offsets.iter().map(|(partition, offset)| {
        let mut object = place(partition);
        object["offset"] = offset.0.into();
        object
    });
    let mut fields = json!({"offsets": committed.collect::<Vec<_>>(), "success": error.is_none()});
    if let Some(error) = error {
        fields["error"] = error.into();
    }
    fields
}

#[cfg(test)]
mod tests {
    use kavka::{ProducerConfig, Record};
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        cli::parse_from(line.split_whitespace())
    }

    #[test]
    fn javas_options_are_understood() {
        let options = read(
            "--topic t --group-id g --bootstrap-server h:1 --group-instance-id i \
             --group-protocol classic --session-timeout 6000 --assignment-strategy \
             org.apache.kafka.clients.consumer.CooperativeStickyAssignor --reset-policy latest \
             --max-messages 7 --close-timeout 100 --enable-autocommit --verbose \
             --consumer.config /dev/null",
        );
        let options = options.expect("good options");
        options.config().expect("good settings");
        assert!(options.enable_autocommit && options.verbose && options.max_messages == 7);
        read("--topic t --group-id g --group-protocol CONSUMER --session-timeout 6000")
            .expect("good options")
            .config()
            .expect("what the other protocol has is left out");
        read("--topic t --group-id g --broker-list h:1")
            .expect("the older name")
            .config()
            .expect("good defaults");
    }

    #[test]
    fn what_this_client_does_not_have_is_a_wrong_argument() {
        for line in [
            "--group-protocol streams",
            "--assignment-strategy org.example.Mine",
            "--reset-policy never",
        ] {
            let refused = read(&format!("--topic t --group-id g {line}"))
                .and_then(|options| options.config());
            assert!(matches!(refused, Err(Stop::Usage(_))), "{line}");
        }
        assert!(matches!(read("--topic t --group-id g --nonsense"), Err(Stop::Usage(_))));
        assert!(matches!(read("--topic t"), Err(Stop::Usage(_))));
    }

    #[test]
    fn a_failed_commit_says_why() {
        let offsets = BTreeMap::from([(TopicPartition::new("t", 1), Offset(5))]);
        let failed = offsets_committed(&offsets, Some("no".to_owned()));
        assert_eq!(
            failed,
            json!({"offsets": [{"topic": "t", "partition": 1, "offset": 5}], "success": false, "error": "no"})
        );
        assert!(offsets_committed(&offsets, None).get("error").is_none());
    }

    /// The events of a consumer of 20 records, in a group of its own.
    async fn events_of(options: &str) -> (Vec<Value>, BTreeMap<TopicPartition, i64>) {
        let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
        let bootstrap = cluster.bootstrap_servers();
        let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
        client
            .admin()
            .create_topic(kavka::NewTopic::new("t").partitions(2))
            .await
            .expect("a topic");
        let producer = client.producer(ProducerConfig::new()).expect("good settings");
        for number in 0..30 {
            let record = Record::to("t").value("v").partition(number % 2);
            let _ = producer.send(record).await.expect("accepted").await.expect("acknowledged");
        }
        let options = read(&format!("--topic t --group-id g --max-messages 20 {options}"))
            .expect("good options");
        let interrupt = Interrupt::listen().expect("signals");
        let (out, ended) = consume(options, &bootstrap, interrupt, Events::new(Vec::new()))
            .await
            .expect("it wrote");
        ended.expect("no failure");
        let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("good settings");
        let partitions = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let committed = witness.committed(partitions).await.expect("an answer");
        cluster.shutdown().await;
        let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
        (
            events,
            committed
                .into_iter()
                .filter_map(|(partition, offset)| Some((partition, offset?.offset.0)))
                .collect(),
        )
    }

    fn names(events: &[Value]) -> Vec<&str> {
        events.iter().map(|event| event["name"].as_str().unwrap_or_default()).collect()
    }

    /// The end of what was told of each partition; checks that it was told without a gap.
    fn positions(events: &[Value]) -> BTreeMap<TopicPartition, i64> {
        let mut positions = BTreeMap::new();
        for event in events.iter().filter(|event| event["name"] == "records_consumed") {
            for part in event["partitions"].as_array().expect("a list") {
                let number = |name: &str| part[name].as_i64().expect("a number");
                let partition =
                    TopicPartition::new("t", i32::try_from(number("partition")).expect("small"));
                let position = positions.entry(partition).or_insert(0);
                assert_eq!(
                    (number("minOffset"), number("maxOffset") + 1),
                    (*position, *position + number("count"))
                );
                *position += number("count");
            }
        }
        positions
    }

    #[tokio::test]
    async fn records_are_told_before_their_commit_and_before_their_partition_goes() {
        let (events, committed) = events_of("--verbose").await;
        let names = names(&events);
        assert_eq!(names[..2], ["startup_complete", "partitions_assigned"]);
        assert_eq!(
            names[names.len() - 3..],
            ["partitions_revoked", "shutdown_complete", "shutdown_requested"]
        );
        let polls: Vec<_> =
            names[2..names.len() - 3].iter().filter(|name| **name != "record_data").collect();
        assert!(
            polls.chunks(2).all(|pair| pair == [&"records_consumed", &"offsets_committed"]),
            "{names:?}"
        );
        let positions = positions(&events);
        assert_eq!(positions.values().sum::<i64>(), 20);
        assert_eq!(committed, positions);
        assert_eq!(names.iter().filter(|name| **name == "record_data").count(), 20);
    }

    #[tokio::test]
    async fn automatic_commits_end_where_the_last_record_told_was() {
        let (events, committed) = events_of("--enable-autocommit").await;
        assert!(!names(&events).contains(&"offsets_committed"));
        let positions = positions(&events);
        assert_eq!(positions.values().sum::<i64>(), 20);
        assert_eq!(committed, positions);
    }

    /// Ten records are read and committed, four are cut off, and four others come.
    async fn after_a_cut(policy: &str) -> (Vec<Value>, Outcome<()>) {
        let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
        let bootstrap = cluster.bootstrap_servers();
        let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
        client.admin().create_topic(kavka::NewTopic::new("t")).await.expect("a topic");
        let producer = client.producer(ProducerConfig::new()).expect("good settings");
        let write = async |count| {
            for _ in 0..count {
                let sent = producer.send(Record::to("t").value("v")).await.expect("accepted");
                sent.await.expect("acknowledged");
            }
        };
        write(10).await;
        let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("good settings");
        let partition = TopicPartition::new("t", 0);
        // Without a policy, one must have been there before.
        witness.handle().commit_offsets([(partition.clone(), 0)]).await.expect("committed");
        let line = format!("--topic t --group-id g --max-messages 14 --reset-policy {policy}");
        let options = read(&line).expect("good options");
        let interrupt = Interrupt::listen().expect("signals");
        let consuming = consume(options, &bootstrap, interrupt, Events::new(Vec::new()));
        let cutting = async {
            loop {
                let committed = witness.committed([partition.clone()]).await.expect("an answer");
                if committed[&partition].as_ref().is_some_and(|committed| committed.offset.0 == 10)
                {
                    break;
                }
            }
            cluster.truncate("t", 0, 6);
            write(4).await;
        };
        let (consumed, ()) = tokio::join!(consuming, cutting);
        let (out, ended) = consumed.expect("it wrote");
        cluster.shutdown().await;
        let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        (lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect(), ended)
    }

    #[tokio::test]
    async fn a_log_that_was_cut_is_read_on_from_there_if_there_is_a_reset_policy() {
        let (events, ended) = after_a_cut("earliest").await;
        ended.expect("no failure");
        let parts = events.iter().filter_map(|event| event["partitions"].as_array());
        let read = parts.flatten().filter_map(|part| part["minOffset"].as_i64());
        let offsets: Vec<_> = read.filter(|offset| [0, 6].contains(offset)).collect();
        assert_eq!(offsets, [0, 6], "{events:?}");

        let (_, ended) = after_a_cut("none").await;
        assert!(matches!(ended, Err(Stop::Failure(why)) if why.contains("was cut")));
    }

    #[tokio::test]
    async fn a_static_member_ends_when_another_takes_its_place() {
        let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
        let bootstrap = cluster.bootstrap_servers();
        let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
        client.admin().create_topic(kavka::NewTopic::new("t")).await.expect("a topic");
        let member = |most| {
            let line =
                format!("--topic t --group-id g --group-instance-id i --max-messages {most}");
            let options = read(&line).expect("good options");
            let interrupt = Interrupt::listen().expect("signals");
            consume(options, &bootstrap, interrupt, Events::new(Vec::new()))
        };
        let producer = client.producer(ProducerConfig::new()).expect("good settings");
        let writing = async {
            loop {
                let sent = producer.send(Record::to("t").value("v")).await.expect("accepted");
                sent.await.expect("acknowledged");
                tokio::task::yield_now().await;
            }
        };
        let older = member(-1);
        let newer = async {
            // The older one is there once it has committed.
            let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("settings");
            let partition = TopicPartition::new("t", 0);
            while witness.committed([partition.clone()]).await.expect("an answer")[&partition]
                .is_none()
            {}
            member(-1).await
        };
        let ended = tokio::select! {
            ended = older => ended.expect("it wrote").1,
            _ = newer => panic!("the newer one has ended"),
            () = writing => unreachable!("it never ends"),
        };
        assert!(matches!(ended, Err(Stop::Failure(why)) if why.contains("FENCED_INSTANCE_ID")));
        cluster.shutdown().await;
    }
}
