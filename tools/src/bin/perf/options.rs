//! The command line.

use kavka::Properties;
use kavka::mq::Config;
use kavka_programs::{Arguments, Connection, Outcome, Stop, required};

use super::handler::STAMP;
use super::payload::Payload;

/// Which half is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Produce,
    Consume,
}

/// How the program talks to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `send`, or `recv`.
    Each,
    /// `send_all`, or `next_batch`.
    Batch,
}

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) connection: Connection,
    pub(crate) mode: Mode,
    pub(crate) topic: String,
    pub(crate) records: u64,
    pub(crate) size: usize,
    pub(crate) payload: Payload,
    pub(crate) warmup: u64,
    pub(crate) rate: Option<u64>,
    pub(crate) tasks: u64,
    pub(crate) partitions: Option<i32>,
    pub(crate) produce_api: Api,
    pub(crate) consume_api: Api,
    pub(crate) group: Option<String>,
    pub(crate) mq: bool,
    pub(crate) to_handler: bool,
    pub(crate) metrics: bool,
    /// A latency counts from when a record was due, not from when it was sent.
    pub(crate) from_due: bool,
    /// Settings of producer or consumer that have an option of their own.
    settings: Vec<(&'static str, String)>,
}

impl Options {
    pub(crate) fn read(mut arguments: Arguments) -> Outcome<Self> {
        let mut mode = None;
        let mut topic = None;
        let mut records = None;
        let mut options = Self {
            connection: Connection::default(),
            mode: Mode::Produce,
            topic: String::new(),
            records: 0,
            size: 128,
            payload: Payload::Text,
            warmup: 1000,
            rate: None,
            tasks: 1,
            partitions: None,
            produce_api: Api::Each,
            consume_api: Api::Batch,
            group: None,
            mq: false,
            to_handler: false,
            metrics: false,
            from_due: true,
            settings: Vec::new(),
        };
        while let Some(option) = arguments.next_option()? {
            if options.connection.accept(&option, &mut arguments)? {
                continue;
            }
            match option.as_str() {
                "produce" if mode.is_none() => mode = Some(Mode::Produce),
                "consume" if mode.is_none() => mode = Some(Mode::Consume),
                "--topic" => topic = Some(arguments.value()?),
                "--records" => records = Some(positive(arguments.parse()?, "--records")?),
                "--size" => options.size = arguments.parse()?,
                "--payload" => {
                    let kinds = [("zero", Payload::Zero), ("random", Payload::Random), ("text", Payload::Text)];
                    options.payload = arguments.choice(&kinds)?;
                }
                "--warmup" => options.warmup = arguments.parse()?,
                "--rate" => options.rate = Some(positive(arguments.parse()?, "--rate")?),
                "--tasks" => options.tasks = positive(arguments.parse()?, "--tasks")?,
                "--partitions" => options.partitions = Some(arguments.parse::<u16>()?.into()),
                "--acks" => options.set("acks", arguments.value()?),
                "--idempotence" => options.set("enable.idempotence", arguments.value()?),
                "--compression" => options.set("compression.type", arguments.value()?),
                "--linger-ms" => options.set("linger.ms", arguments.value()?),
                "--batch-bytes" => options.set("batch.size", arguments.value()?),
                "--batch-api" => options.produce_api = Api::Batch,
                "--records-api" => options.consume_api = arguments.choice(&[("batch", Api::Batch), ("recv", Api::Each)])?,
                "--mq" => options.mq = true,
                "--to-handler" => options.to_handler = true,
                "--metrics" => options.metrics = true,
                "--latency-from" => options.from_due = arguments.choice(&[("due", true), ("send", false)])?,
                "--group" => options.group = Some(arguments.value()?),
                "--from" => {
                    let from = arguments.choice(&[("earliest", "earliest"), ("latest", "latest")])?;
                    options.set("auto.offset.reset", from.to_owned());
                }
                _ => return arguments.unknown(),
            }
        }
        options.mode = mode.ok_or_else(|| Stop::usage("produce or consume is missing"))?;
        options.topic = required(topic, "--topic")?;
        options.records = required(records, "--records")?;
        if options.mq && options.produce_api == Api::Batch {
            return Err(Stop::usage("--batch-api is not for --mq"));
        }
        if options.to_handler && (!options.mq || options.mode != Mode::Produce || options.size < STAMP) {
            return Err(Stop::usage(format_args!("--to-handler needs produce, --mq and a --size of {STAMP} or more")));
        }
        Ok(options)
    }

    /// The settings of producer and consumer: the defaults given, then those of files and `-X`, then those of options.
    pub(crate) fn properties(&self, defaults: &[(&str, &str)]) -> Outcome<Properties> {
        let mut properties = self.connection.properties(defaults)?;
        for (name, value) in &self.settings {
            properties.set(*name, value);
        }
        Ok(properties)
    }

    /// The settings of `mq` that the options name; those of the client are the client's.
    pub(crate) fn mq_config(&self) -> Outcome<Config> {
        let mut config = Config::default();
        for (name, value) in &self.settings {
            let key = match *name {
                "acks" => "producer.required_acks",
                "enable.idempotence" => "producer.enable_idempotence",
                "compression.type" => "producer.compression",
                "linger.ms" => "producer.linger_ms",
                "batch.size" => "producer.batch_size",
                _ => "consumer.auto_offset_reset",
            };
            config.set(key, value)?;
        }
        if self.mode == Mode::Consume && !self.settings.iter().any(|(name, _)| *name == "auto.offset.reset") {
            config.set("consumer.auto_offset_reset", "earliest")?;
        }
        Ok(config)
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.settings.push((name, value));
    }
}

fn positive(number: u64, option: &str) -> Outcome<u64> {
    if number == 0 { Err(Stop::usage(format_args!("{option} cannot be 0"))) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        Options::read(Arguments::new(line.split_whitespace().map(str::to_owned)))
    }

    #[test]
    fn the_command_line_of_the_comparison_is_understood() {
        let options = read(
            "produce --bootstrap-server h:1 --topic t --records 10 --size 1024 --acks all --idempotence true --compression lz4 \
             --linger-ms 5 --batch-bytes 16384 --rate 2000 --payload random --warmup 7",
        )
        .expect("all options of the contract");
        assert_eq!((options.mode, options.records, options.size, options.warmup), (Mode::Produce, 10, 1024, 7));
        assert_eq!((options.rate, options.payload), (Some(2000), Payload::Random));
        let properties = options.properties(&[("linger.ms", "0")]).expect("no file to read");
        let given = ["acks", "enable.idempotence", "compression.type", "linger.ms", "batch.size"].map(|key| properties.get(key));
        assert_eq!(given, ["all", "true", "lz4", "5", "16384"].map(Some));
        let options = read("consume --topic t --records 1 --group g --from earliest").expect("the other mode");
        assert_eq!((options.mode, options.group.as_deref(), options.consume_api), (Mode::Consume, Some("g"), Api::Batch));
    }

    #[test]
    fn options_reach_mq_by_its_own_names() {
        let options = read("produce --mq --topic t --records 1 --size 200 --acks all --compression none --linger-ms 5").unwrap();
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
        ] {
            assert!(matches!(read(line), Err(Stop::Usage(_))), "{line}");
        }
    }
}
