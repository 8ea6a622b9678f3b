//! `-P -X transactional.id=ID`: lines to records of transactions.
//!
//! JSON lines say where transactions begin and end. What is open at the end of the input is
//! committed; at a signal, or if a line of it was not sent, it is aborted.

use std::process::ExitCode;

use kavka::{Class, Delivery, ErrorKind, Transaction, TransactionalProducer};
use kavka_programs::{Interrupt, Outcome, complain};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Input, Lines, Options, PATIENCE, Unsent, read_lines};

/// A line of the input.
enum Line {
    Begin,
    Record(Input),
    Commit,
    Abort,
}

/// The lines, with their numbers.
struct Source {
    lines: mpsc::Receiver<Lines>,
    piece: std::vec::IntoIter<Vec<u8>>,
    number: u64,
}

/// What became of a transaction.
enum Ended {
    /// As its lines have said.
    Well,
    /// Otherwise; the next may end well.
    Badly,
    /// No other one can be begun.
    ForGood,
}

/// Writes every line of standard input; status 0 if all was done as the lines say.
pub(super) async fn run(
    options: &Options,
    mut producer: TransactionalProducer,
    mut interrupt: Interrupt,
) -> Outcome<ExitCode> {
    let mut source = Source { lines: read_lines(), piece: Vec::new().into_iter(), number: 0 };
    let is_done = tokio::select! {
        is_done = write_all(options, &mut producer, &mut source) => is_done,
        () = interrupt.received() => {
            source.complain("interrupted: what is not committed is aborted");
            false
        }
    };
    let is_closed = match producer.close(PATIENCE).await {
        Err(error) if is_done => {
            complain("kcat", error);
            false
        }
        _ => true,
    };
    Ok(if is_done && is_closed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn write_all(
    options: &Options,
    producer: &mut TransactionalProducer,
    source: &mut Source,
) -> bool {
    let mut is_good = true;
    while let Some(read) = source.next(options).await {
        let first = match read {
            Ok(Line::Begin) => None,
            Ok(Line::Record(input)) => Some(input),
            Ok(Line::Commit | Line::Abort) => {
                source.complain("no transaction is open");
                is_good = false;
                continue;
            }
            Err(unsent) => {
                is_good = false;
                match source.refuse(&unsent) {
                    true => continue,
                    false => return false,
                }
            }
        };
        let ended = match producer.begin().await {
            Ok(transaction) => write_one(options, transaction, source, first).await,
            Err(error) => {
                source.complain(&error.to_string());
                Ended::ForGood
            }
        };
        match ended {
            Ended::Well => {}
            Ended::Badly => is_good = false,
            Ended::ForGood => return false,
        }
    }
    is_good
}

/// Writes one transaction, to its end or that of the input.
async fn write_one(
    options: &Options,
    mut transaction: Transaction<'_>,
    source: &mut Source,
    mut next: Option<Input>,
) -> Ended {
    let mut sent: Vec<(u64, Delivery)> = Vec::new();
    let mut is_whole = true;
    let is_wanted = loop {
        if let Some(input) = next.take() {
            match transaction.send(input.record(options)).await.map_err(Unsent::from) {
                Ok(delivery) => sent.push((source.number, delivery)),
                Err(unsent) => {
                    is_whole = false;
                    if !source.refuse(&unsent) {
                        return Ended::ForGood;
                    }
                }
            }
        }
        match source.next(options).await {
            Some(Ok(Line::Record(input))) => next = Some(input),
            Some(Ok(Line::Commit)) | None => break true,
            Some(Ok(Line::Abort)) => break false,
            Some(Ok(Line::Begin)) => {
                source.complain("a transaction is open already");
                is_whole = false;
            }
            Some(Err(unsent)) => {
                is_whole = false;
                if !source.refuse(&unsent) {
                    return Ended::ForGood;
                }
            }
        }
    };
    let commits = is_wanted && is_whole;
    let ended = if commits { transaction.commit().await } else { transaction.abort().await };
    match ended {
        Ok(()) if commits || !is_wanted => Ended::Well,
        Ok(()) => {
            source.complain("the transaction was aborted, since a line of it was not sent");
            Ended::Badly
        }
        Err(error) => {
            source.complain(&error.to_string());
            drop(transaction);
            report(sent).await;
            if error.class() == Class::Abortable { Ended::Badly } else { Ended::ForGood }
        }
    }
}

/// Tells which records a transaction has failed with.
async fn report(sent: Vec<(u64, Delivery)>) {
    for (number, delivery) in sent {
        match tokio::time::timeout(PATIENCE, delivery).await {
            Ok(Err(error)) if error.kind() != ErrorKind::TransactionEnded => {
                complain("kcat", format_args!("line {number}: {error}"));
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

impl Source {
    /// The next line that is not empty; `None` at the end.
    async fn next(&mut self, options: &Options) -> Option<Result<Line, Unsent>> {
        loop {
            let Some(line) = self.piece.next() else {
                match self.lines.recv().await? {
                    Ok(piece) => self.piece = piece.into_iter(),
                    Err(error) => return Some(Err(Unsent::End(error.to_string()))),
                }
                continue;
            };
            self.number += 1;
            if !options.is_json || !line.trim_ascii().is_empty() {
                return Some(Line::read(options, line).map_err(Unsent::Line));
            }
        }
    }

    /// Tells why a line was not sent; whether others can be.
    fn refuse(&self, unsent: &Unsent) -> bool {
        match unsent {
            Unsent::Line(message) => self.complain(message),
            Unsent::End(message) => self.complain(&format!("{message}; no more lines are sent")),
        }
        matches!(unsent, Unsent::Line(_))
    }

    fn complain(&self, message: &str) {
        complain("kcat", format_args!("line {}: {message}", self.number));
    }
}

impl Line {
    fn read(options: &Options, line: Vec<u8>) -> Result<Self, String> {
        if options.is_json
            && let Ok(Value::Object(object)) = serde_json::from_slice(&line)
            && let Some(word) = object.get("txn")
        {
            let (begin, commit, abort) = (json!("begin"), json!("commit"), json!("abort"));
            return match word {
                _ if object.len() > 1 => Err("txn is a line of its own".to_owned()),
                word if *word == begin => Ok(Self::Begin),
                word if *word == commit => Ok(Self::Commit),
                word if *word == abort => Ok(Self::Abort),
                word => Err(format!("txn is {word}: begin, commit and abort are allowed")),
            };
        }
        Input::read(options, line).map(Self::Record)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
mod tests {
    use kavka::{
        Client, ClientConfig, ConsumerConfig, IsolationLevel, ProducerConfig, TopicPartition,
    };
    use kavka_testcontainers::embedded::EmbeddedCluster;

    use super::*;

    /// Whether all went well with these lines, and what readers of committed records see then.
    async fn written(text: &str) -> (bool, Vec<String>) {
        let cluster = EmbeddedCluster::builder().topic("t", 1, 1).start().await.unwrap();
        let client = Client::new(ClientConfig::new(cluster.bootstrap_servers())).unwrap();
        let config = ProducerConfig::new().transactional_id("x");
        let mut producer = client.transactional_producer(config).unwrap();
        let (sender, lines) = mpsc::channel(10);
        for line in text.lines() {
            sender.send(Ok(vec![line.as_bytes().to_vec()])).await.unwrap();
        }
        drop(sender);
        let mut source = Source { lines, piece: Vec::new().into_iter(), number: 0 };
        let options = Options { topics: vec!["t".to_owned()], is_json: true, ..Options::default() };
        let is_good = write_all(&options, &mut producer, &mut source).await;
        let mut end = producer.begin().await.unwrap();
        drop(end.send(kavka::Record::to("t").value("end")).await.unwrap());
        end.commit().await.unwrap();
        let config = ConsumerConfig::new()
            .auto_offset_reset(kavka::AutoOffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted);
        let mut reader = client.consumer(config).unwrap();
        reader.assign([TopicPartition::new("t", 0)]).unwrap();
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "end") {
            let record = reader.recv().await.unwrap();
            seen.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
        }
        seen.pop();
        (is_good, seen)
    }

    #[tokio::test]
    async fn lines_say_where_transactions_begin_and_end() {
        for (text, is_good, seen) in [
            (
                "{\"txn\":\"begin\"}\n{\"value\":\"a\"}\n{\"txn\":\"commit\"}\n\
                 {\"txn\":\"begin\"}\n{\"value\":\"b\"}\n{\"txn\":\"abort\"}\n\
                 {\"value\":\"c\"}\n{\"txn\":\"commit\"}\n{\"value\":\"d\"}",
                true,
                ["a", "c", "d"].as_slice(),
            ),
            ("{\"txn\":\"commit\"}\n{\"value\":\"a\"}", false, &["a"]),
            ("{\"value\":\"a\"}\n{\"txn\":\"begin\"}\n{\"txn\":\"commit\"}", false, &[]),
            (
                "{\"value\":\"a\"}\n{\"txn\":1}\n{\"txn\":\"commit\"}\n{\"value\":\"b\"}",
                false,
                &["b"],
            ),
            ("{\"value\":\"a\",\"txn\":\"begin\"}\n", false, &[]),
        ] {
            let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
            assert_eq!(written(text).await, (is_good, seen), "{text}");
        }
    }
}
