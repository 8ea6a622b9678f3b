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
mod tests;
