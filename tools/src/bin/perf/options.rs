//! The command line.

use clap::{Parser, ValueEnum, value_parser};
use kavka::Properties;
use kavka::mq::Config;
use kavka_programs::{Connection, Outcome, Stop};

use super::handler::STAMP;
use super::payload::Payload;

/// Measures producing and consuming; the last line of stdout is one JSON object
///
/// A latency is the time from the call of `send`, or with --rate from when the record was due, to
/// its acknowledgement. The clock runs from the first send to the last acknowledgement, or from the
/// first record read to the last. CPU and memory are those of the process. Ends with status 0, 1 if
/// Kafka or a record failed, 2 for a wrong argument.
#[derive(Debug, Parser)]
#[command(name = "perf")]
pub(crate) struct Options {
    /// Which half is measured
    pub(crate) mode: Mode,
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: String,
    /// How many records
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// The cluster and its settings; without one a Kafka inside this process
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Through `kavka::mq`, whose defaults then hold (lz4, adaptive batching unless --linger-ms is
    /// given); -X reaches only its client
    #[arg(long)]
    pub(crate) mq: bool,
    /// Has a recorder take what the client tells
    #[arg(long)]
    pub(crate) metrics: bool,

    /// Bytes of a value; there are no keys
    #[arg(long, value_name = "BYTES", default_value_t = 128, help_heading = PRODUCE)]
    pub(crate) size: usize,
    /// What values are made of
    #[arg(long, value_enum, default_value_t = Payload::Text, help_heading = PRODUCE)]
    pub(crate) payload: Payload,
    /// Records before the clock starts
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = PRODUCE)]
    pub(crate) warmup: u64,
    /// Sends what is due each millisecond; without it as fast as possible
    #[arg(
        long,
        value_name = "PER_SECOND",
        value_parser = value_parser!(u64).range(1..),
        help_heading = PRODUCE,
    )]
    pub(crate) rate: Option<u64>,
    /// Sends from N tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = value_parser!(u64).range(1..),
        help_heading = PRODUCE,
    )]
    pub(crate) tasks: u64,
    /// Creates the topic, if it is not there, with N partitions
    #[arg(long, value_name = "N", value_parser = value_parser!(i32).range(0..=65535))]
    pub(crate) partitions: Option<i32>,
    /// all, 1 or 0
    #[arg(long, help_heading = PRODUCE)]
    acks: Option<String>,
    /// true or false
    #[arg(long, value_name = "BOOL", help_heading = PRODUCE)]
    idempotence: Option<String>,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, value_name = "CODEC", help_heading = PRODUCE)]
    compression: Option<String>,
    /// How long a batch may wait for more records
    #[arg(long, value_name = "MS", help_heading = PRODUCE)]
    linger_ms: Option<String>,
    /// How large a batch may be
    #[arg(long, value_name = "BYTES", help_heading = PRODUCE)]
    batch_bytes: Option<String>,
    /// Hands records over by `send_all`, 256 in a call, not one by one; the latency of a record is
    /// then that of its call and of those before it, and all records of a call that failed count as
    /// errors
    #[arg(long, conflicts_with = "mq", help_heading = PRODUCE)]
    pub(crate) batch_api: bool,
    /// With --rate, from when a latency counts
    #[arg(long, value_enum, default_value_t = Moment::Due, help_heading = PRODUCE)]
    pub(crate) latency_from: Moment,
    /// With --mq: a handler in this process reads the topic, too, and `handler` in the JSON object
    /// has the latencies from the same moment to it
    #[arg(long, help_heading = PRODUCE)]
    pub(crate) to_handler: bool,

    /// As a member of the group; without it every partition is assigned. `share` needs one whose
    /// share.auto.offset.reset is earliest
    #[arg(long, help_heading = CONSUME)]
    pub(crate) group: Option<String>,
    /// Where to start [default: earliest]
    #[arg(long, value_parser = ["earliest", "latest"], help_heading = CONSUME)]
    from: Option<String>,
    /// Borrowed records, a batch at a time, or owned ones, one by one
    #[arg(long, value_enum, default_value_t = RecordsApi::Batch, help_heading = CONSUME)]
    pub(crate) records_api: RecordsApi,
}

const PRODUCE: &str = "perf produce";
const CONSUME: &str = "perf consume, perf share";

/// Which half is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Produce,
    Consume,
    /// As the only member of a share group (KIP-932)
    Share,
}

/// From when a latency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Moment {
    /// When a record was due.
    Due,
    /// When it was sent.
    Send,
}

/// How records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordsApi {
    /// By `next_batch`.
    Batch,
    /// By `recv`.
    Recv,
}

impl Options {
    /// Refuses options that do not go together.
    pub(crate) fn checked(self) -> Outcome<Self> {
        if self.to_handler && (!self.mq || self.mode != Mode::Produce || self.size < STAMP) {
            return Err(Stop::usage(format_args!(
                "--to-handler needs produce, --mq and a --size of {STAMP} or more"
            )));
        }
        if self.mode == Mode::Share {
            if self.group.is_none() || self.mq || self.from.is_some() {
                return Err(Stop::usage("share needs --group, and has neither --mq nor --from"));
            }
            if self.connection.named_cluster()?.is_none() {
                return Err(Stop::usage(
                    "share needs --bootstrap-server: the Kafka inside this process has no share \
                     groups",
                ));
            }
        }
        Ok(self)
    }

    /// The settings of producer and consumer: the defaults given, then those of files and `-X`,
    /// then those of options.
    pub(crate) fn properties(&self, defaults: &[(&str, &str)]) -> Outcome<Properties> {
        let mut properties = self.connection.properties(defaults)?;
        for (_, name, value) in self.settings() {
            properties.set(name, value);
        }
        Ok(properties)
    }

    /// The settings of `mq` that the options name; those of the client are the client's.
    pub(crate) fn mq_config(&self) -> Outcome<Config> {
        let mut config = Config::default();
        if self.mode == Mode::Consume {
            config.set("consumer.auto_offset_reset", "earliest")?;
        }
        for (name, _, value) in self.settings() {
            config.set(name, value)?;
        }
        Ok(config)
    }

    /// Settings of producer or consumer that have an option of their own: the name in `mq`, Java's
    /// name, and the value.
    fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let settings = [
            ("producer.required_acks", "acks", &self.acks),
            ("producer.enable_idempotence", "enable.idempotence", &self.idempotence),
            ("producer.compression", "compression.type", &self.compression),
            ("producer.linger_ms", "linger.ms", &self.linger_ms),
            ("producer.batch_size", "batch.size", &self.batch_bytes),
            ("consumer.auto_offset_reset", "auto.offset.reset", &self.from),
        ];
        settings.into_iter().filter_map(|(mq, java, value)| Some((mq, java, value.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use kavka_tools::cli;

    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        cli::parse_from(line.split_whitespace()).and_then(Options::checked)
    }

    #[test]
    fn the_command_line_of_the_comparison_is_understood() {
        let options = read(
            "produce --bootstrap-server h:1 --topic t --records 10 --size 1024 --acks all \
             --idempotence true --compression lz4 --linger-ms 5 --batch-bytes 16384 --rate 2000 \
             --payload random --warmup 7",
        )
        .expect("all options of the contract");
        assert_eq!(
            (options.mode, options.records, options.size, options.warmup),
            (Mode::Produce, 10, 1024, 7)
        );
        assert_eq!((options.rate, options.payload), (Some(2000), Payload::Random));
        let properties = options.properties(&[("linger.ms", "0")]).expect("no file to read");
        let given = ["acks", "enable.idempotence", "compression.type", "linger.ms", "batch.size"]
            .map(|key| properties.get(key));
        assert_eq!(given, ["all", "true", "lz4", "5", "16384"].map(Some));
        let options = read("consume --topic t --records 1 --group g --from earliest")
            .expect("the other mode");
        assert_eq!(
            (options.mode, options.group.as_deref(), options.records_api),
            (Mode::Consume, Some("g"), RecordsApi::Batch)
        );
        let options = read("share --bootstrap-server h:1 --topic t --records 1 --group g")
            .expect("a share group");
        assert_eq!((options.mode, options.group.as_deref()), (Mode::Share, Some("g")));
    }

    #[test]
    fn options_reach_mq_by_its_own_names() {
        let options = read(
            "produce --mq --topic t --records 1 --size 200 --acks all --compression none \
             --linger-ms 5",
        )
        .unwrap();
        let config = options.mq_config().unwrap();
        assert_eq!((config.producer.linger_ms, options.mq), (Some(5), true));
        assert_eq!(config.producer.compression, kavka::Compression::NONE);
    }

    #[test]
    fn what_is_missing_unknown_or_zero_is_a_wrong_argument() {
        for line in [
            "--topic t --records 1",
            "produce --records 1",
            "consume --topic t",
            "produce --topic t --records 0",
            "produce --topic t --records 1 --rate 0",
            "produce --topic t --records 1 --payload noise",
            "produce consume --topic t --records 1",
            "consume --topic t --records 1 --records-api stream",
            "produce --topic t --records 1 --to-handler",
            "produce --mq --topic t --records 1 --size 15 --to-handler",
            "produce --mq --topic t --records 1 --batch-api",
            "share --bootstrap-server h:1 --topic t --records 1",
            "share --bootstrap-server h:1 --topic t --records 1 --group g --mq",
            "share --bootstrap-server h:1 --topic t --records 1 --group g --from latest",
        ] {
            assert!(matches!(read(line), Err(Stop::Usage(_))), "{line}");
        }
    }
}
