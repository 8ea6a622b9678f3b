//! `-P`: lines to records.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader};
use std::process::ExitCode;
use std::time::Duration;

use kavka::{Delivery, ErrorKind, Header, Producer, ProducerConfig, Record, Timestamp};
use kavka_programs::{Interrupt, Outcome, complain};
use kavka_tools::json::{take_bytes, take_headers};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{Options, metadata};

mod transactions;

/// How many pieces of input may wait for their acknowledgement before no more is read; the
/// producer's memory is the tighter bound.
const MOST_WAITING: usize = 10_000;

/// So many bytes are read at once, if they are there.
const PIECE: usize = 64 * 1024;

/// How long after a signal what was read is still delivered.
const PATIENCE: Duration = Duration::from_secs(3);

/// Lines that were there together, or why there are no more.
type Lines = std::io::Result<Vec<Vec<u8>>>;

/// How far the sending has come; outlives it, as it may be dropped at any await.
#[derive(Debug, Default)]
struct Course {
    /// The number of the line at work.
    at: Cell<Option<u64>>,
    /// What was sent and is not reported.
    sent: RefCell<Vec<(u64, Delivery)>>,
}

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
    let properties = options.connection.properties(&[])?;
    let mut config = ProducerConfig::from_properties(&properties)?;
    if let Some(compression) = options.compression {
        config = config.compression(compression);
    }
    let client = metadata::client(&options)?;
    if properties.get("transactional.id").is_some() {
        return transactions::run(&options, client.transactional_producer(config)?, interrupt)
            .await;
    }
    let producer = client.producer(config)?;
    let (waiting, deliveries) = mpsc::channel(MOST_WAITING);
    let mut reports = tokio::spawn(report(deliveries));
    let mut lines = read_lines();
    let course = Course::default();
    let is_sent = tokio::select! {
        is_sent = send_all(&options, &producer, &mut lines, &waiting, &course) => is_sent,
        // What was sent until now is still delivered.
        () = interrupt.received() => match course.at.get() {
            Some(number) => {
                complain("kcat", format_args!("line {number}: interrupted before it was sent"));
                false
            }
            None => lines.is_empty(),
        },
    };
    // Of a piece that was interrupted, what was sent is reported too.
    let is_told = tokio::time::timeout(PATIENCE, waiting.send(course.sent.take()))
        .await
        .is_ok_and(|told| told.is_ok());
    drop(waiting);
    // Nothing waits for more records to fill a batch any more.
    let _ = tokio::time::timeout(PATIENCE, producer.flush()).await;
    let all_delivered = tokio::select! {
        all_delivered = &mut reports => all_delivered.unwrap_or(false),
        () = async { interrupt.received().await; tokio::time::sleep(PATIENCE).await } => false,
    };
    let _ = producer.close(Duration::from_secs(1)).await;
    Ok(if is_sent && is_told && all_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads on a thread of its own: reading standard input cannot be interrupted.
fn read_lines() -> mpsc::Receiver<Lines> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = BufReader::with_capacity(PIECE, std::io::stdin().lock());
        loop {
            let lines = read_some(&mut input);
            let (is_end, has_failed) = (lines.as_ref().is_ok_and(Vec::is_empty), lines.is_err());
            if is_end || sender.blocking_send(lines).is_err() || has_failed {
                return;
            }
        }
    });
    receiver
}

/// Waits for a line, and takes along what else is there; none at the end.
fn read_some<R: std::io::Read>(input: &mut BufReader<R>) -> Lines {
    let mut lines = Vec::new();
    while lines.is_empty() || input.buffer().contains(&b'\n') {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        line.pop_if(|last| *last == b'\n');
        lines.push(line);
    }
    Ok(lines)
}

/// Sends all lines; whether every one could be handed to the producer.
///
/// A line that is no record, or too large a one, is told and passed over. What else fails would
/// fail for all lines after it too, each after `max.block.ms`: a topic that does not exist, a
/// cluster that cannot be reached.
async fn send_all(
    options: &Options,
    producer: &Producer,
    lines: &mut mpsc::Receiver<Lines>,
    waiting: &mpsc::Sender<Vec<(u64, Delivery)>>,
    course: &Course,
) -> bool {
    let mut is_good = true;
    let mut number = 0;
    while let Some(lines) = lines.recv().await {
        course.at.set(Some(number + 1));
        let lines = match lines {
            Ok(lines) => lines,
            Err(error) => {
                complain(
                    "kcat",
                    format_args!("line {}: {error}; no more lines are sent", number + 1),
                );
                course.at.set(None);
                return false;
            }
        };
        for line in lines {
            number += 1;
            course.at.set(Some(number));
            if options.is_json && line.trim_ascii().is_empty() {
                continue;
            }
            match send(options, producer, line).await {
                Ok(delivery) => course.sent.borrow_mut().push((number, delivery)),
                Err(Unsent::Line(message)) => {
                    complain("kcat", format_args!("line {number}: {message}"));
                    is_good = false;
                }
                Err(Unsent::End(message)) => {
                    complain(
                        "kcat",
                        format_args!("line {number}: {message}; no more lines are sent"),
                    );
                    course.at.set(None);
                    return false;
                }
            }
        }
        course.at.set(None);
        match waiting.reserve().await {
            Ok(room) => room.send(course.sent.take()),
            Err(_) => return false,
        }
    }
    is_good
}

async fn send(options: &Options, producer: &Producer, line: Vec<u8>) -> Result<Delivery, Unsent> {
    let input = Input::read(options, line).map_err(Unsent::Line)?;
    Ok(producer.send(input.record(options)).await?)
}

impl From<kavka::Error> for Unsent {
    fn from(error: kavka::Error) -> Self {
        match error.kind() {
            ErrorKind::RecordTooLarge | ErrorKind::Config => Self::Line(error.to_string()),
            _ => Self::End(error.to_string()),
        }
    }
}

/// Waits for the deliveries in order and tells of each failure; whether there was none.
async fn report(mut pieces: mpsc::Receiver<Vec<(u64, Delivery)>>) -> bool {
    let mut is_good = true;
    while let Some(deliveries) = pieces.recv().await {
        for (number, delivery) in deliveries {
            if let Err(error) = delivery.await {
                complain("kcat", format_args!("line {number}: {error}"));
                is_good = false;
            }
        }
    }
    is_good
}

impl Input {
    fn read(options: &Options, line: Vec<u8>) -> Result<Self, String> {
        match options.is_json {
            true => Self::from_json(&line),
            false => Ok(Self::from_text(line, options.separator.as_deref())),
        }
    }

    fn record<'a>(&'a self, options: &'a Options) -> Record<'a> {
        let topic = options.topics.first().map_or("", String::as_str);
        let mut record = Record::to(topic).key(self.key.as_deref()).value(self.value.as_deref());
        record.headers =
            self.headers.iter().map(|(name, value)| Header::new(name, value.as_deref())).collect();
        record.partition = self.partition.or(options.partition).map(Into::into);
        record.timestamp = self.timestamp.map(Timestamp);
        record
    }

    /// The line is the value, or key and value around the first separator.
    fn from_text(line: Vec<u8>, separator: Option<&str>) -> Self {
        let separator = separator.unwrap_or_default().as_bytes();
        let is_separated = !separator.is_empty() && line.len() >= separator.len();
        let at = if is_separated {
            line.windows(separator.len()).position(|window| window == separator)
        } else {
            None
        };
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
        let mut object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
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

fn take_number<T: TryFrom<i64>>(
    object: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, String> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value
                .as_i64()
                .filter(|number| *number >= 0)
                .and_then(|number| T::try_from(number).ok());
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
            sender.send(Ok(vec![b"line".to_vec(); 3])).await.unwrap();
        }
        drop(sender);
        let options = Options { topics: vec!["nowhere".to_owned()], ..Options::default() };
        let (waiting, _deliveries) = mpsc::channel(1);
        let begun = Instant::now();
        assert!(!send_all(&options, &producer, &mut lines, &waiting, &Course::default()).await);
        assert_eq!(lines.len(), 9);
        assert!(begun.elapsed() < max_block * 5, "{:?}", begun.elapsed());
        let error = send(&options, &producer, b"line".to_vec()).await.unwrap_err();
        assert!(
            format!("{error:?}").contains("nowhere")
                && format!("{error:?}").contains("UNKNOWN_TOPIC_OR_PARTITION"),
            "{error:?}"
        );
    }

    #[test]
    fn lines_that_are_there_are_taken_together_and_none_waits_for_the_next() {
        /// Gives a part at a time, as a pipe does.
        struct Pipe(Vec<&'static [u8]>);
        impl std::io::Read for Pipe {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let part = if self.0.is_empty() { &[][..] } else { self.0.remove(0) };
                into[..part.len()].copy_from_slice(part);
                Ok(part.len())
            }
        }
        let mut input = BufReader::new(Pipe(vec![b"one\n\ntwo\nth", b"ree\n", b"four\nfive"]));
        let mut next = || read_some(&mut input).unwrap();
        assert_eq!(next(), [&b"one"[..], b"", b"two"]);
        assert_eq!(next(), [b"three"]);
        assert_eq!(next(), [b"four"]);
        assert_eq!(next(), [b"five"], "without an end of line");
        assert!(next().is_empty());
    }
}
