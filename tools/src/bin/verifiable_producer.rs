//! Stands in for Java's VerifiableProducer in Apache Kafka's system tests: sends numbers, and tells
//! as JSON lines what became of each.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use clap::Parser;
use kavka::{
    Client, Delivery, Error, PartitionId, Producer, ProducerConfig, Record, RecordMetadata,
};
use kavka_programs::{Connection, Interrupt, Outcome, Stop};
use kavka_tools::cli;
use kavka_tools::events::{Events, java_class};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long after a signal what was sent is still waited for.
const PATIENCE: Duration = Duration::from_secs(25);

/// For how many records the verdict is waited for before more are sent; the producer's memory is
/// usually the tighter bound.
const MOST_WAITING: usize = 100_000;

/// Sends 0, 1, 2, … as text and prints a JSON line for each acknowledgement or failure, as Java's
/// VerifiableProducer does
///
/// Nothing is sent twice unless a file or -X sets `retries`, which also makes the producer
/// idempotent again. Failed records do not change the exit status: 0, or 1 if Kafka could not be
/// used at all, 2 for a wrong argument. Files and -X win over options; --producer.config and
/// --broker-list are the older names of --command-config and --bootstrap-server.
#[derive(Debug, Parser)]
#[command(name = "verifiable_producer")]
struct Options {
    #[command(flatten)]
    connection: Connection,
    #[arg(long)]
    topic: String,
    /// Sends N records; -1: until SIGTERM or SIGINT
    #[arg(long, value_name = "N", default_value_t = -1)]
    max_messages: i64,
    /// Records a second; -1: as fast as possible
    #[arg(long, value_name = "N", default_value_t = -1)]
    throughput: i64,
    /// -1 is all in-sync replicas
    #[arg(long, value_parser = ["-1", "0", "1", "all"], default_value = "-1")]
    acks: String,
    /// Sends N.0, N.1, …
    #[arg(long, value_name = "N")]
    value_prefix: Option<i64>,
    /// Gives the records the keys 0 to N-1, in turn
    #[arg(long, value_name = "N")]
    repeating_keys: Option<u64>,
    /// The timestamp of the first record; the others follow as time goes by
    #[arg(long, value_name = "MS", default_value_t = -1)]
    message_create_time: i64,
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("verifiable_producer", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse::<Options>()?;
    let bootstrap = options.connection.cluster()?;
    let interrupt = Interrupt::listen()?;
    produce(options, &bootstrap, interrupt, Events::to_stdout()).await?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn value(&self, number: u64) -> String {
        match self.value_prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number.to_string(),
        }
    }

    fn key(&self, number: u64) -> Option<String> {
        self.repeating_keys.filter(|keys| *keys > 0).map(|keys| (number % keys).to_string())
    }

    /// How long after the start a record may be sent; `None` is never.
    fn due(&self, number: u64) -> Option<Duration> {
        match u64::try_from(self.throughput) {
            Err(_) => Some(Duration::ZERO),
            Ok(0) => None,
            Ok(rate) => {
                let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
                Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
        }
    }
}

/// A record that was sent, or could not be.
struct Sent {
    key: Option<String>,
    value: String,
    outcome: Result<Delivery, Error>,
}

async fn produce<W: Write + Send + 'static>(
    options: Options,
    bootstrap: &str,
    interrupt: Interrupt,
    mut events: Events<W>,
) -> Outcome<W> {
    let client = Client::new(options.connection.client(bootstrap, "verifiable-producer")?)?;
    let properties = options.connection.properties(&[("acks", &options.acks), ("retries", "0")])?;
    let producer = client.producer(ProducerConfig::from_properties(&properties)?)?;
    events.emit("startup_complete", Value::Null)?;
    events.flush()?;

    let started = Instant::now();
    let (sender, sent) = mpsc::channel(1024);
    let reporter = tokio::spawn(Reporter::new(sent, options.topic.clone(), events).run());
    let count = send(&options, &producer, sender, interrupt.clone()).await;
    let mut impatient = interrupt.clone();
    let given_up = async {
        impatient.received().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        _flushed = producer.flush() => {}
        () = given_up => {}
    }
    // What is still open fails now, and is told as a failure.
    let _ = producer.close(Duration::from_secs(1)).await;
    let (acked, mut events) = reporter.await.map_err(Stop::failure)??;
    events.emit("shutdown_complete", Value::Null)?;
    let seconds = started.elapsed().as_secs_f64();
    let average = if seconds > 0.0 { acked as f64 / seconds } else { 0.0 };
    let tool_data = json!({
        "sent": count,
        "acked": acked,
        "target_throughput": options.throughput,
        "avg_throughput": average,
    });
    events.emit("tool_data", tool_data)?;
    events.flush()?;
    Ok(events.into_inner())
}

/// Sends until there is enough or a signal comes; how many records.
async fn send(
    options: &Options,
    producer: &Producer,
    sender: mpsc::Sender<Sent>,
    mut interrupt: Interrupt,
) -> u64 {
    let started = tokio::time::Instant::now();
    let mut create_time = Some(options.message_create_time).filter(|time| *time >= 0);
    let mut created = Instant::now();
    let mut number = 0;
    let most = u64::try_from(options.max_messages).unwrap_or(u64::MAX);
    while number < most && !interrupt.is_received() {
        let due = async {
            match options.due(number).and_then(|after| started.checked_add(after)) {
                Some(due) if due <= tokio::time::Instant::now() => {}
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due => {}
            () = interrupt.received() => break,
        }
        let (key, value) = (options.key(number), options.value(number));
        let mut record = Record::to(&options.topic).value(&value);
        record.key = key.as_deref().map(str::as_bytes);
        record.timestamp = create_time.map(Into::into);
        number += 1;
        let outcome = tokio::select! {
            biased;
            outcome = producer.send(record) => outcome,
            () = interrupt.received() => {
                // It was not accepted, so it was not sent.
                number -= 1;
                break;
            }
        };
        if let Some(time) = &mut create_time {
            let passed = i64::try_from(created.elapsed().as_millis()).unwrap_or(0);
            if passed > 0 {
                *time = time.saturating_add(passed);
                created = Instant::now();
            }
        }
        if sender.send(Sent { key, value, outcome }).await.is_err() {
            break;
        }
    }
    number
}

/// Waits for verdicts and tells them, in the order of each partition.
struct Reporter<W: Write> {
    sent: mpsc::Receiver<Sent>,
    waiting: BTreeMap<PartitionId, VecDeque<(Option<String>, String, Delivery)>>,
    count: usize,
    topic: String,
    acked: u64,
    events: Events<W>,
}

impl<W: Write> Reporter<W> {
    fn new(sent: mpsc::Receiver<Sent>, topic: String, events: Events<W>) -> Self {
        Self { sent, waiting: BTreeMap::new(), count: 0, topic, acked: 0, events }
    }

    /// How many records were acknowledged, when nothing more can come.
    async fn run(mut self) -> Outcome<(u64, Events<W>)> {
        poll_fn(|context| self.poll(context)).await?;
        Ok((self.acked, self.events))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome<()>> {
        loop {
            let next = if self.count < MOST_WAITING {
                self.sent.poll_recv(context)
            } else {
                Poll::Pending
            };
            match next {
                Poll::Ready(Some(Sent { key, value, outcome: Ok(delivery) })) => {
                    self.count += 1;
                    let partition = delivery.topic_partition().partition;
                    self.waiting.entry(partition).or_default().push_back((key, value, delivery));
                    continue;
                }
                Poll::Ready(Some(Sent { key, value, outcome: Err(error) })) => {
                    self.tell(key, value, Err(error))?;
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let before = self.count;
            self.tell_verdicts(context)?;
            self.events.flush()?;
            if matches!(next, Poll::Ready(None)) && self.count == 0 {
                return Poll::Ready(Ok(()));
            }
            // There is room again: nobody would wake us for what came meanwhile.
            if before < MOST_WAITING || self.count == before {
                return Poll::Pending;
            }
        }
    }

    fn tell_verdicts(&mut self, context: &mut Context<'_>) -> Outcome<()> {
        let mut told = Vec::new();
        for waiting in self.waiting.values_mut() {
            while let Some((_, _, delivery)) = waiting.front_mut() {
                let Poll::Ready(verdict) = Pin::new(delivery).poll(context) else { break };
                if let Some((key, value, _)) = waiting.pop_front() {
                    self.count -= 1;
                    told.push((key, value, verdict));
                }
            }
        }
        told.into_iter().try_for_each(|(key, value, verdict)| self.tell(key, value, verdict))
    }

    fn tell(
        &mut self,
        key: Option<String>,
        value: String,
        verdict: Result<RecordMetadata, Error>,
    ) -> Outcome<()> {
        match verdict {
            Ok(metadata) => {
                self.acked += 1;
                // Java's word for an offset that is not known.
                let offset = metadata.offset.map_or(-1, |offset| offset.0);
                let partition = metadata.topic_partition.partition.0;
                let fields = json!({
                    "topic": self.topic,
                    "partition": partition,
                    "offset": offset,
                    "key": key,
                    "value": value,
                });
                self.events.emit("producer_send_success", fields)
            }
            Err(error) => {
                let fields = json!({
                    "topic": self.topic,
                    "key": key,
                    "value": value,
                    "exception": java_class(&error),
                    "message": error.to_string(),
                });
                self.events.emit("producer_send_error", fields)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        cli::parse_from(line.split_whitespace())
    }

    #[test]
    fn both_generations_of_options_are_understood() {
        let new = read(
            "--topic t --bootstrap-server h:1 --max-messages 5 --throughput 10 --acks 1 \
             --command-config /dev/null",
        );
        let new = new.expect("options of 4.x");
        assert_eq!((new.max_messages, new.throughput, new.acks.as_str()), (5, 10, "1"));
        let old = read(
            "--topic t --broker-list h:1 --max-messages -1 --producer.config /dev/null \
             --value-prefix 3",
        )
        .expect("of 2.x");
        assert_eq!((old.max_messages, old.value(7).as_str()), (-1, "3.7"));
        assert!(matches!(read("--topic t --bootstrap-server h:1 --nonsense"), Err(Stop::Usage(_))));
        assert!(matches!(read("--bootstrap-server h:1"), Err(Stop::Usage(_))));
    }

    #[test]
    fn the_throughput_spreads_records_evenly() {
        let due = |throughput, number| {
            read(&format!("--topic t --throughput {throughput}")).expect("good").due(number)
        };
        assert_eq!(due(4, 6), Some(Duration::from_millis(1500)));
        assert_eq!(due(-1, 1_000_000), Some(Duration::ZERO));
        assert_eq!(due(0, 0), None);
    }

    #[tokio::test]
    async fn every_record_is_told_with_its_offset_and_the_end_sums_up() {
        let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
        let options =
            read("--topic t --max-messages 20 --repeating-keys 3 --message-create-time 1000")
                .expect("good options");
        let interrupt = Interrupt::listen().expect("signals");
        let out =
            produce(options, &cluster.bootstrap_servers(), interrupt, Events::new(Vec::new()))
                .await
                .expect("no failure");
        cluster.shutdown().await;
        let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events: Vec<Value> =
            lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
        let names: Vec<_> =
            events.iter().map(|event| event["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(
            (names[0], &names[21..]),
            ("startup_complete", &["shutdown_complete", "tool_data"][..])
        );
        let mut values: Vec<u64> = Vec::new();
        let mut offsets: BTreeMap<i64, i64> = BTreeMap::new();
        for event in &events[1..21] {
            assert_eq!(event["name"], "producer_send_success");
            let value: u64 =
                event["value"].as_str().and_then(|value| value.parse().ok()).expect("a number");
            assert_eq!(event["key"], json!((value % 3).to_string()));
            let next =
                offsets.entry(event["partition"].as_i64().expect("a partition")).or_default();
            assert_eq!(event["offset"], *next);
            *next += 1;
            values.push(value);
        }
        values.sort_unstable();
        assert_eq!(values, (0..20).collect::<Vec<_>>());
        assert_eq!((&events[22]["sent"], &events[22]["acked"]), (&json!(20), &json!(20)));
    }
}
