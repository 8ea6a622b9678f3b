//! Reads and writes topics from the shell, with the letters of the well-known tool of this name.
//!
//! A mode a file: `-P` produces, `-C` consumes, `-L` lists, `-Q` asks for offsets by time.

use std::process::ExitCode;

use kavka::{Compression, Offset};
use kavka_programs::{Arguments, Connection, Interrupt, Outcome, Stop, required};

mod consume;
mod format;
mod metadata;
mod produce;

use format::Format;

const HELP: &str = "
Reads and writes topics of Kafka.

kcat -P -b B -t TOPIC [-p PARTITION] [-z CODEC] [-K SEP] [-J]
    Writes each line of standard input as a record.
    -z none|gzip|snappy|lz4|zstd   compresses
    -K SEP                         splits a line into key and value at the first SEP
    -J                             takes JSON lines, in which all is optional:
                                   {\"key\":\"k\",\"value\":null,\"headers\":[[\"name\",\"value\"]],\"partition\":0,\"timestamp\":0}
                                   Bytes that are no UTF-8: key_b64, value_b64, and [\"name\",{\"b64\":\"…\"}]

kcat -C -b B -t TOPIC [-p PARTITION] [-o OFFSET] [-e] [-c COUNT] [-G GROUP] [-K SEP] [-J] [-f FORMAT]
    Prints records.
    -o beginning|end|N|-N   starts there; -N is N records before the end (default beginning)
    -e                      ends at the end of every partition
    -c COUNT                ends after COUNT records
    -G GROUP                shares the partitions with the group, from what it has committed
    -K SEP                  prints the key and SEP before the value
    -J                      prints JSON lines
    -f FORMAT               prints %t topic, %p partition, %o offset, %T timestamp, %k key, %K its length,
                            %s value, %S its length, %h headers, %% and \\n \\r \\t \\xHH; a null has the length -1

kcat -L -b B [-t TOPIC] [-J]                  Prints brokers, topics and partitions.
kcat -Q -b B -t TOPIC:PARTITION:TIMESTAMP     Prints the first offset at or after a time, in milliseconds since 1970.

In every mode:
    -b HOST:PORT[,…]        the cluster, also --bootstrap-server; without it KAVKA_BROKERS
    --command-config FILE   settings from a Java properties file
    -X NAME=VALUE           one setting, by Java's name
Ends with status 0, 1 if Kafka failed, 2 for a wrong argument.
";

/// What kcat is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Produce,
    Consume,
    List,
    Query,
}

/// Where to start consuming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Beginning,
    End,
    At(Offset),
    /// So many records before the end.
    BeforeEnd(i64),
}

/// The options of all modes.
#[derive(Default)]
struct Options {
    connection: Connection,
    topics: Vec<String>,
    partition: Option<i32>,
    compression: Option<Compression>,
    separator: Option<String>,
    is_json: bool,
    start: Option<Start>,
    ends: bool,
    count: Option<u64>,
    group: Option<String>,
    format: Option<Format>,
}

#[tokio::main]
async fn main() -> ExitCode {
    kavka_programs::start_logs();
    let outcome = run(Arguments::from_env()).await;
    kavka_programs::exit("kcat", HELP, outcome)
}

async fn run(mut arguments: Arguments) -> Outcome<ExitCode> {
    let (mode, options) = read(&mut arguments)?;
    let interrupt = Interrupt::listen()?;
    match mode {
        Mode::Produce => produce::run(options, interrupt).await,
        Mode::Consume => consume::run(options, interrupt).await,
        Mode::List => metadata::list(options, interrupt).await,
        Mode::Query => metadata::query(options, interrupt).await,
    }
}

fn read(arguments: &mut Arguments) -> Outcome<(Mode, Options)> {
    let mut mode = None;
    let mut options = Options::default();
    while let Some(option) = arguments.next_option()? {
        let chosen = match option.as_str() {
            "-P" => Some(Mode::Produce),
            "-C" => Some(Mode::Consume),
            "-L" => Some(Mode::List),
            "-Q" => Some(Mode::Query),
            _ => None,
        };
        if let Some(chosen) = chosen {
            if mode.replace(chosen).is_some_and(|other| other != chosen) {
                return Err(Stop::usage("only one of -P, -C, -L and -Q is allowed"));
            }
            continue;
        }
        match option.as_str() {
            "-b" => options.connection.set_bootstrap(arguments.value()?),
            "-t" => options.topics.push(arguments.value()?),
            "-p" => options.partition = Some(arguments.parse::<u16>()?.into()),
            "-z" => options.compression = Some(arguments.parse()?),
            "-K" => options.separator = Some(format::unescape(&arguments.value()?)),
            "-J" => options.is_json = true,
            "-o" => options.start = Some(start(&arguments.value()?)?),
            "-e" => options.ends = true,
            "-c" => options.count = Some(arguments.parse()?),
            "-G" => options.group = Some(arguments.value()?),
            "-f" => options.format = Some(Format::parse(&arguments.value()?)?),
            other => {
                if !options.connection.accept(other, arguments)? {
                    return arguments.unknown();
                }
            }
        }
    }
    let mode = required(mode, "one of -P, -C, -L and -Q")?;
    if mode != Mode::List && options.topics.is_empty() {
        return Err(Stop::usage("-t is missing"));
    }
    if matches!(mode, Mode::Produce | Mode::Consume) && options.topics.len() > 1 {
        return Err(Stop::usage("only one -t is allowed"));
    }
    Ok((mode, options))
}

fn start(text: &str) -> Outcome<Start> {
    match text {
        "beginning" | "earliest" => Ok(Start::Beginning),
        "end" | "latest" => Ok(Start::End),
        number => match number.parse::<i64>() {
            Ok(before) if before < 0 => Ok(Start::BeforeEnd(before.saturating_neg())),
            Ok(_) if number == "-0" => Ok(Start::End),
            Ok(offset) => Ok(Start::At(Offset(offset))),
            Err(_) => Err(Stop::usage(format_args!("-o is {text:?}: beginning, end, an offset and -N are allowed"))),
        },
    }
}
