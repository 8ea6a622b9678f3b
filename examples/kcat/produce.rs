//! `-P`: lines to records.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::process::ExitCode;
use std::time::Duration;

use kavka::{Delivery, ErrorKind, Header, Producer, ProducerConfig, Record, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::common::Outcome;
use super::common::json::{take_bytes, take_headers};
use super::common::signal::Interrupt;
use super::{Options, metadata};

/// How many records may wait for their acknowledgement before no more lines are read; the producer's memory is the tighter bound.
const MOST_WAITING: usize = 100_000;

/// How long after a signal what was read is still delivered.
const PATIENCE: Duration = Duration::from_secs(3);

/// A line, or why there are no more.
type Line = std::io::Result<Vec<u8>>;

/// Why a line was not sent.
#[derive(Debug)]
enum Unsent {
    /// It is not one that can be sent.
    Line(String),
    /// No line can be sent.
    End(String),
}

/// A line as a record.
#[derive(Debug, Default)]
struct Input {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    partition: Option<i32>,
    timestamp: Option<i64>,
}

/// Writes every line of standard input; status 0 if all were acknowledged.
pub(crate) async fn run(options: Options, mut interrupt: Interrupt) -> Outcome<ExitCode> {
    let mut config = ProducerConfig::from_properties(&options.connection.properties(&[])?)?;
    if let Some(compression) = options.compression {
        config = config.compression(compression);
    }
    let producer = metadata::client(&options)?.producer(config)?;
    let (waiting, deliveries) = mpsc::channel(MOST_WAITING);
    let mut reports = tokio::spawn(report(deliveries));
    let mut lines = read_lines();
    let unsent = Cell::new(None);
    let is_sent = tokio::select! {
        is_sent = send_all(&options, &producer, &mut lines, waiting, &unsent) => is_sent,
        // What was sent until now is still delivered.
        () = interrupt.received() => match unsent.get() {
            Some(number) => {
                eprintln!("kcat: line {number}: interrupted before it was sent");
                false
            }
            None => lines.is_empty(),
        },
    };
    // Nothing waits for more records to fill a batch any more.
    let _ = tokio::time::timeout(PATIENCE, producer.flush()).await;
    let all_delivered = tokio::select! {
        all_delivered = &mut reports => all_delivered.unwrap_or(false),
        () = async { interrupt.received().await; tokio::time::sleep(PATIENCE).await } => false,
    };
    let _ = producer.close(Duration::from_secs(1)).await;
    Ok(if is_sent && all_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads on a thread of its own: reading standard input cannot be interrupted.
fn read_lines() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(1024);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.by_ref().read_until(b'\n', &mut line);
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.is_empty() && read.is_ok() {
                return;
            }
            let (is_last, line) = (read.is_err(), read.map(|_| line));
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Sends all lines; whether every one could be handed to the producer. `unsent` is the number of the line at work.
///
/// A line that is no record, or too large a one, is told and passed over. What else fails would fail for all lines after it too, each after
/// `max.block.ms`: a topic that does not exist, a cluster that cannot be reached.
async fn send_all(
    options: &Options,
    producer: &Producer,
    lines: &mut mpsc::Receiver<Line>,
    waiting: mpsc::Sender<(u64, Delivery)>,
    unsent: &Cell<Option<u64>>,
) -> bool {
    let mut is_good = true;
    let mut number = 0;
    while let Some(line) = lines.recv().await {
        number += 1;
        unsent.set(Some(number));
        let outcome = match line {
            Ok(line) if options.is_json && line.trim_ascii().is_empty() => {
                unsent.set(None);
                continue;
            }
            Ok(line) => send(options, producer, line).await,
            Err(error) => Err(Unsent::End(error.to_string())),
        };
        match outcome {
            Ok(delivery) => {
                if waiting.send((number, delivery)).await.is_err() {
                    return false;
                }
            }
            Err(Unsent::Line(message)) => {
                eprintln!("kcat: line {number}: {message}");
                is_good = false;
            }
            Err(Unsent::End(message)) => {
                eprintln!("kcat: line {number}: {message}; no more lines are sent");
                unsent.set(None);
                return false;
            }
        }
        unsent.set(None);
    }
    is_good
}

async fn send(options: &Options, producer: &Producer, line: Vec<u8>) -> Result<Delivery, Unsent> {
    let input = if options.is_json {
        Input::from_json(&line).map_err(Unsent::Line)?
    } else {
        Input::from_text(line, options.separator.as_deref())
    };
    let topic = options.topics.first().map_or("", String::as_str);
    let headers: Vec<Header<'_>> = input.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
    let mut record = Record::to(topic).headers(&headers);
    record.key = input.key.as_deref();
    record.value = input.value.as_deref();
    record.partition = input.partition.or(options.partition).map(Into::into);
    record.timestamp = input.timestamp.map(Timestamp);
    producer.send(record).await.map_err(|error| match error.kind() {
        ErrorKind::RecordTooLarge | ErrorKind::Config => Unsent::Line(error.to_string()),
        _ => Unsent::End(error.to_string()),
    })
}

/// Waits for the deliveries in order and tells of each failure; whether there was none.
async fn report(mut deliveries: mpsc::Receiver<(u64, Delivery)>) -> bool {
    let mut is_good = true;
    while let Some((number, delivery)) = deliveries.recv().await {
        if let Err(error) = delivery.await {
            eprintln!("kcat: line {number}: {error}");
            is_good = false;
        }
    }
    is_good
}

impl Input {
    /// The line is the value, or key and value around the first separator.
    fn from_text(line: Vec<u8>, separator: Option<&str>) -> Self {
        let separator = separator.unwrap_or_default().as_bytes();
        let at = line.windows(separator.len().max(1)).position(|window| window == separator);
        match at {
            Some(at) => {
                let (key, rest) = line.split_at(at);
                let value = rest.get(separator.len()..).unwrap_or_default();
                Self { key: Some(key.to_vec()), value: Some(value.to_vec()), ..Self::default() }
            }
            None => Self { value: Some(line), ..Self::default() },
        }
    }

    fn from_json(line: &[u8]) -> Result<Self, String> {
        let mut object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
        let input = Self {
            key: take_bytes(&mut object, "key")?,
            value: take_bytes(&mut object, "value")?,
            headers: take_headers(&mut object)?,
            partition: take_number(&mut object, "partition")?,
            timestamp: take_number(&mut object, "timestamp")?,
        };
        // What this program prints with -C -J can be read back.
        for known in ["topic", "offset", "timestamp_type"] {
            object.remove(known);
        }
        match object.keys().next() {
            Some(unknown) => Err(format!("{unknown:?} is no part of a record")),
            None => Ok(input),
        }
    }
}

fn take_number<T: TryFrom<i64>>(object: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_i64().filter(|number| *number >= 0).and_then(|number| T::try_from(number).ok());
            number.map(Some).ok_or_else(|| format!("{name} is {value}, which is no possible one"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
mod tests {
    use std::time::Instant;

    use kavka::{Client, ClientConfig};
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    #[tokio::test]
    async fn a_topic_that_does_not_exist_ends_it_at_the_first_line() {
        let cluster = EmbeddedCluster::builder().auto_create_topics(false).start().await.unwrap();
        let max_block = Duration::from_millis(300);
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let producer = client.producer(ProducerConfig::new().max_block(max_block)).unwrap();
        let (sender, mut lines) = mpsc::channel(10);
        for _ in 0..10 {
            sender.send(Ok(b"line".to_vec())).await.unwrap();
        }
        drop(sender);
        let options = Options { topics: vec!["nowhere".to_owned()], ..Options::default() };
        let (waiting, _deliveries) = mpsc::channel(1);
        let begun = Instant::now();
        assert!(!send_all(&options, &producer, &mut lines, waiting, &Cell::new(None)).await);
        assert_eq!(lines.len(), 9);
        assert!(begun.elapsed() < max_block * 5, "{:?}", begun.elapsed());
        let error = send(&options, &producer, b"line".to_vec()).await.unwrap_err();
        assert!(
            format!("{error:?}").contains("nowhere") && format!("{error:?}").contains("UNKNOWN_TOPIC_OR_PARTITION"),
            "{error:?}"
        );
    }
}
