//! Stands in for Java's VerifiableShareConsumer in Apache Kafka's system tests: a member of a share
//! group that tells as JSON lines what it is given and what it has acknowledged.
//!
//! One task writes all lines. What became of acknowledgements comes from the consumer's task by a
//! channel.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kavka::admin::{ConfigAlteration, ConfigResource};
use kavka::{
    Class, Client, Error, ErrorKind, Result, ShareAcknowledgementMode, ShareBatch, ShareConsumer,
    ShareConsumerConfig, TopicPartition,
};
use kavka_programs::{Connection, Interrupt, Outcome, Stop, complain};
use kavka_tools::cli;
use kavka_tools::events::{Events, text};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long leaving may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Consumes a topic as a member of a share group and prints JSON lines, as Java's
/// VerifiableShareConsumer does
///
/// At SIGTERM and SIGINT it acknowledges, leaves the group and ends with status 0; 1 if Kafka failed,
/// 2 for a wrong argument. Options win over files and -X; --consumer.config and --broker-list are the
/// older names of --command-config and --bootstrap-server.
#[derive(Debug, Parser)]
#[command(name = "verifiable_share_consumer")]
struct Options {
    #[command(flatten)]
    connection: Connection,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group_id: String,
    /// Ends after N records; -1: at SIGTERM or SIGINT
    #[arg(long, value_name = "N", default_value_t = -1)]
    max_messages: i64,
    /// Prints each record, too
    #[arg(long)]
    verbose: bool,
    /// auto: with the next poll; sync and async: after each poll, waiting for the answer or not
    #[arg(long, value_name = "MODE", default_value = "auto")]
    acknowledgement_mode: Mode,
    /// earliest or latest: where the group begins, which is set before
    #[arg(long, value_name = "STRATEGY")]
    offset_reset_strategy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Auto,
    Sync,
    Async,
}

/// What became of the acknowledgements of a run of offsets.
type Acknowledged = (TopicPartition, std::ops::RangeInclusive<i64>, Result<()>);

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("verifiable_share_consumer", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse::<Options>()?;
    let bootstrap = options.connection.cluster()?;
    let mut interrupt = Interrupt::listen()?;
    let client = Client::new(options.connection.client(&bootstrap, "verifiable-share-consumer")?)?;
    let mut properties = options.connection.properties(&[])?;
    properties.set("group.id", &options.group_id);
    let mode = match options.acknowledgement_mode {
        Mode::Auto => ShareAcknowledgementMode::Implicit,
        Mode::Sync | Mode::Async => ShareAcknowledgementMode::Explicit,
    };
    let config =
        ShareConsumerConfig::from_properties(&properties)?.share_acknowledgement_mode(mode);
    let mut consumer = client.share_consumer(config)?;
    let mut events = Events::to_stdout();
    events.emit("startup_complete", Value::Null)?;
    events.flush()?;
    if let Some(strategy) = &options.offset_reset_strategy {
        let reset = ConfigAlteration::Set {
            name: "share.auto.offset.reset".to_owned(),
            value: strategy.clone(),
        };
        let group = ConfigResource::group(&options.group_id);
        for outcome in client.admin().alter_configs([(group, vec![reset])]).await.into_values() {
            outcome?;
        }
        events.emit("offset_reset_strategy_set", json!({"offsetResetStrategy": strategy}))?;
        events.flush()?;
    }
    let (sender, acknowledged) = mpsc::unbounded_channel();
    consumer.acknowledgement_listener(move |partition, offsets, outcome| {
        let offsets = offsets.start().0..=offsets.end().0;
        // Nobody listens any more at the very end.
        let _ = sender.send((partition.clone(), offsets, outcome.clone()));
    });
    consumer.subscribe([&options.topic])?;
    let mut member = Member { options, events, acknowledged, confirmed: 0, consumed: 0 };
    let mut ended = tokio::select! {
        ended = member.run(&mut consumer) => ended,
        () = interrupt.received() => Ok(()),
    };
    let was_asked = interrupt.is_received();
    let closed = consumer.close(CLOSE_TIMEOUT).await;
    member.tell_acknowledged()?;
    member.events.emit("shutdown_complete", Value::Null)?;
    member.events.flush()?;
    match closed {
        // Who was asked to end has ended, also where nobody is left to say goodbye to.
        Err(error) if was_asked => complain("verifiable_share_consumer", format_args!("{error}")),
        closed => ended = ended.and(closed.map_err(Stop::from)),
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// The task that consumes and writes.
struct Member<W: Write> {
    options: Options,
    events: Events<W>,
    acknowledged: mpsc::UnboundedReceiver<Acknowledged>,
    confirmed: u64,
    consumed: u64,
}

impl<W: Write> Member<W> {
    async fn run(&mut self, consumer: &mut ShareConsumer) -> Outcome<()> {
        while self.wanted() > 0 {
            tokio::select! {
                biased;
                Some(acknowledged) = self.acknowledged.recv() => self.tell(vec![acknowledged])?,
                batch = consumer.next_batch() => match batch {
                    Ok(batch) => self.take(consumer, batch).await?,
                    Err(error) => survive(error)?,
                },
            }
        }
        if let Err(error) = consumer.commit().await {
            survive(error)?;
        }
        self.tell_acknowledged()
    }

    fn wanted(&self) -> u64 {
        u64::try_from(self.options.max_messages)
            .map_or(u64::MAX, |most| most.saturating_sub(self.consumed))
    }

    /// Tells of a batch, and acknowledges it as it is to.
    async fn take(&mut self, consumer: &mut ShareConsumer, batch: ShareBatch) -> Outcome<()> {
        let offsets: Vec<i64> = batch.records().iter().map(|record| record.offset().0).collect();
        let count = offsets.len() as u64;
        let partition = batch.topic_partition();
        if self.options.verbose {
            for record in &batch {
                let data = json!({
                    "key": text(record.key()),
                    "value": text(record.value()),
                    "topic": record.topic(),
                    "partition": record.partition().0,
                    "offset": record.offset().0,
                });
                self.events.emit("record_data", data)?;
            }
        }
        let partitions = json!([of_partition(partition, &offsets)]);
        self.events.emit("records_consumed", json!({"count": count, "partitions": partitions}))?;
        self.events.flush()?;
        self.consumed += count;
        match self.options.acknowledgement_mode {
            Mode::Auto => {}
            Mode::Async => drop(batch.accept()),
            Mode::Sync => {
                drop(batch.accept());
                if let Err(error) = consumer.commit().await {
                    survive(error)?;
                }
            }
        }
        self.tell_acknowledged()
    }

    /// Tells all that is known of acknowledgements by now.
    fn tell_acknowledged(&mut self) -> Outcome<()> {
        let mut all = Vec::new();
        while let Ok(acknowledged) = self.acknowledged.try_recv() {
            all.push(acknowledged);
        }
        self.tell(all)
    }

    fn tell(&mut self, all: Vec<Acknowledged>) -> Outcome<()> {
        let mut confirmed: BTreeMap<TopicPartition, BTreeSet<i64>> = BTreeMap::new();
        for (partition, offsets, outcome) in all {
            match outcome {
                Ok(()) => confirmed.entry(partition).or_default().extend(offsets),
                Err(error) => {
                    let offsets: Vec<i64> = offsets.collect();
                    let partitions = json!([of_partition(&partition, &offsets)]);
                    let failed = json!({
                        "count": offsets.len(),
                        "partitions": partitions,
                        "success": false,
                        "error": error.to_string(),
                    });
                    self.events.emit("offsets_acknowledged", failed)?;
                }
            }
        }
        let mut count = 0;
        let mut partitions = Vec::new();
        for (partition, offsets) in confirmed {
            count += offsets.len() as u64;
            let offsets: Vec<i64> = offsets.into_iter().collect();
            partitions.push(of_partition(&partition, &offsets));
        }
        if count > 0 {
            self.confirmed += count;
            let told = json!({"count": count, "partitions": partitions, "success": true});
            self.events.emit("offsets_acknowledged", told)?;
        }
        self.events.flush()
    }
}

/// Offsets of one partition, as events have them.
fn of_partition(partition: &TopicPartition, offsets: &[i64]) -> Value {
    json!({
        "topic": &*partition.topic,
        "partition": partition.partition.0,
        "count": offsets.len(),
        "offsets": offsets,
    })
}

/// Goes on after what may pass.
fn survive(error: Error) -> Outcome<()> {
    let is_passing = matches!(error.class(), Class::Retriable | Class::Rejoin)
        || error.kind() == ErrorKind::LockLost
        || error.code().is_some();
    if !is_passing {
        return Err(Stop::failure(error));
    }
    complain("verifiable_share_consumer", format_args!("{error}; going on"));
    Ok(())
}
