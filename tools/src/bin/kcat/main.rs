//! Reads and writes topics from the shell, with the letters of the well-known tool of this name.
//!
//! A mode a file: `-P` produces, `-C` consumes, `-L` lists, `-Q` asks for offsets by time.

use std::convert::Infallible;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser};
use kavka::{Compression, Offset};
use kavka_programs::{Connection, Interrupt, Outcome, Stop};
use kavka_tools::cli;

mod consume;
mod format;
mod metadata;
mod produce;

use format::Format;

/// Reads and writes topics of Kafka
#[derive(Debug, Default, Parser)]
#[command(name = "kcat", override_usage = USAGE, after_help = AFTER_HELP, mut_arg("bootstrap", |arg| arg.short('b')))]
struct Options {
    #[command(flatten)]
    mode: Mode,
    #[command(flatten)]
    connection: Connection,
    /// The topic
    #[arg(short = 't', value_name = "TOPIC")]
    topics: Vec<String>,
    /// The partition; without it all, or the one that the key says
    #[arg(short = 'p', value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..=65535))]
    partition: Option<i32>,
    /// -P: compresses with none, gzip, snappy, lz4 or zstd
    #[arg(short = 'z', value_name = "CODEC")]
    compression: Option<Compression>,
    /// -P: splits a line into key and value at the first SEP; -C: prints the key and SEP before the
    /// value
    #[arg(short = 'K', value_name = "SEP", value_parser = separator)]
    separator: Option<String>,
    /// JSON lines
    #[arg(short = 'J')]
    is_json: bool,
    /// -C: starts at beginning, end, an offset N, or -N: N records before the end [default:
    /// beginning]
    #[arg(short = 'o', value_name = "OFFSET")]
    start: Option<Start>,
    /// -C: ends at the end of every partition
    #[arg(short = 'e')]
    ends: bool,
    /// -C: ends after COUNT records
    #[arg(short = 'c', value_name = "COUNT")]
    count: Option<u64>,
    /// -C: shares the partitions with the group, from what it has committed
    #[arg(short = 'G', value_name = "GROUP")]
    group: Option<String>,
    /// -C: takes records as a member of a share group, and accepts what it has printed
    #[arg(long = "share", value_name = "GROUP")]
    share: Option<String>,
    /// -C: prints records so
    #[arg(short = 'f', value_name = "FORMAT", value_parser = Format::parse)]
    format: Option<Format>,
}

/// What kcat is to do.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = false)]
struct Mode {
    /// Writes each line of standard input as a record
    #[arg(short = 'P')]
    produces: bool,
    /// Prints records
    #[arg(short = 'C')]
    consumes: bool,
    /// Prints brokers, topics and partitions
    #[arg(short = 'L')]
    lists: bool,
    /// Prints the first offset at or after a time, in milliseconds since 1970
    #[arg(short = 'Q')]
    queries: bool,
}

const USAGE: &str = "kcat -P -b B -t TOPIC [-p PARTITION] [-z CODEC] [-K SEP] [-J]
       kcat -C -b B -t TOPIC [-p PARTITION] [-o OFFSET] [-e] [-c COUNT] [-G GROUP] [-K SEP] [-J] [-f FORMAT]
       kcat -C -b B -t TOPIC --share GROUP [-c COUNT] [-K SEP] [-J] [-f FORMAT]
       kcat -L -b B [-t TOPIC] [-J]
       kcat -Q -b B -t TOPIC:PARTITION:TIMESTAMP";

const AFTER_HELP: &str = "\
FORMAT prints %t topic, %p partition, %o offset, %T timestamp, %k key, %K its length, %s value,
%S its length, %h headers, %% and \\n \\r \\t \\xHH; a null has the length -1.

A JSON line, in which all is optional for -P:
  {\"key\":\"k\",\"value\":null,\"headers\":[[\"name\",\"value\"]],\"partition\":0,\"timestamp\":0}
Bytes that are no UTF-8: key_b64, value_b64, and [\"name\",{\"b64\":\"…\"}].

With -X transactional.id=ID, -P -J takes lines {\"txn\":\"begin\"}, \"commit\" and \"abort\" between
the records; a record begins a transaction if none is open. What is open at the end of the input is
committed, at a signal aborted.

Ends with status 0, 1 if Kafka failed, 2 for a wrong argument.";

/// Where to start consuming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Beginning,
    End,
    At(Offset),
    /// So many records before the end.
    BeforeEnd(i64),
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    kavka_programs::exit("kcat", run().await)
}

async fn run() -> Outcome<ExitCode> {
    let options = cli::parse().and_then(Options::checked)?;
    let interrupt = Interrupt::listen()?;
    match options.mode {
        Mode { produces: true, .. } => produce::run(options, interrupt).await,
        Mode { consumes: true, .. } => consume::run(options, interrupt).await,
        Mode { queries: true, .. } => metadata::query(options, interrupt).await,
        Mode { .. } => metadata::list(options, interrupt).await,
    }
}

impl Options {
    fn checked(self) -> Outcome<Self> {
        if !self.mode.lists && self.topics.is_empty() {
            return Err(Stop::usage("-t is missing"));
        }
        if (self.mode.produces || self.mode.consumes) && self.topics.len() > 1 {
            return Err(Stop::usage("only one -t is allowed"));
        }
        let chooses = self.partition.is_some() || self.start.is_some() || self.ends;
        if self.share.is_some() && (chooses || self.group.is_some()) {
            return Err(Stop::usage(
                "--share goes without -G, -p, -o and -e: the group decides, which begins where its \
                 share.auto.offset.reset says",
            ));
        }
        Ok(self)
    }
}

fn separator(text: &str) -> Result<String, Infallible> {
    Ok(format::unescape(text))
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" | "earliest" => Ok(Self::Beginning),
            "end" | "latest" => Ok(Self::End),
            number => match number.parse::<i64>() {
                Ok(before) if before < 0 => Ok(Self::BeforeEnd(before.saturating_neg())),
                Ok(_) if number == "-0" => Ok(Self::End),
                Ok(offset) => Ok(Self::At(Offset(offset))),
                Err(_) => Err("beginning, end, an offset and -N are allowed".to_owned()),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]
mod tests {
    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        cli::parse_from(line.split(' ')).and_then(Options::checked)
    }

    #[test]
    fn the_documented_forms_are_understood() {
        let options = read("-P -b h:1 -t t -p 3 -z zstd -K: -J -X acks=all").unwrap();
        assert_eq!(
            (options.partition, options.separator.as_deref(), options.is_json),
            (Some(3), Some(":"), true)
        );
        assert_eq!((options.compression, options.mode.produces), (Some(Compression::ZSTD), true));
        assert_eq!(options.connection.named_cluster().unwrap().as_deref(), Some("h:1"));
        for (text, start) in [
            ("-10", Start::BeforeEnd(10)),
            ("10", Start::At(Offset(10))),
            ("-0", Start::End),
            ("beginning", Start::Beginning),
            ("end", Start::End),
        ] {
            for joint in [" ", ""] {
                assert_eq!(
                    read(&format!("-C -t t -o{joint}{text}")).unwrap().start,
                    Some(start),
                    "{text}"
                );
            }
        }
        let options = read("-Ceb h:1 -t t -c 5 -G g -f %k\\n -K=").unwrap();
        assert!(
            options.ends && options.format.is_some() && options.separator.as_deref() == Some("=")
        );
        assert_eq!((options.count, options.group.as_deref()), (Some(5), Some("g")));
        assert!(read("-L --bootstrap-server h:1").unwrap().mode.lists);
        assert!(read("-Q -b h:1 -t t:0:-1 -t t:1:5").unwrap().mode.queries);
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in [
            "-t t",
            "-P -C -t t",
            "-C",
            "-C -t t -t u",
            "-C -t t -p 65536",
            "-C -t t -o x",
            "-P -t t -z zip",
            "-C -t t -f %y",
            "-C -t t u",
        ] {
            assert!(matches!(read(line), Err(Stop::Usage(_))), "{line}");
        }
    }
}
