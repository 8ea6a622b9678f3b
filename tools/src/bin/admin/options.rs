//! The command line, and the question before something is destroyed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

use clap::Parser;
use kavka::admin::OffsetSpec;
use kavka::{BrokerId, ClientConfig, Offset, Timestamp, TopicPartition};
use kavka_programs::{Connection, Outcome, Stop};
use kavka_tools::cli;

use super::commands;
use super::table::Table;

/// Administers a cluster of Kafka: `admin RESOURCE VERB`
#[derive(Debug, Default, Parser)]
#[command(name = "admin", mut_args(|arg| arg.global(true)))]
struct Everywhere {
    #[command(flatten)]
    connection: Connection,
    /// Controllers to ask in place of brokers, about what is theirs
    #[arg(long = "bootstrap-controller", value_name = "HOST:PORT[,…]")]
    controllers: Option<String>,
    /// Prints a list of objects instead of a table
    #[arg(long = "json")]
    is_json: bool,
    /// Says what would be done, and has Kafka check it where Kafka can
    #[arg(long = "dry-run")]
    is_dry_run: bool,
    /// Does not ask before it destroys something; without a terminal nobody is asked
    #[arg(long = "yes")]
    is_sure: bool,
    /// How long to try [default: 60]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    connection: Connection,
    controllers: Option<String>,
    pub(crate) resource: String,
    pub(crate) verb: String,
    /// What follows the verb.
    pub(crate) names: Vec<String>,
    values: BTreeMap<&'static str, Vec<String>>,
    flags: Vec<&'static str>,
    pub(crate) is_json: bool,
    pub(crate) is_dry_run: bool,
    is_sure: bool,
    pub(crate) timeout: Option<u64>,
}

impl Options {
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Outcome<Self> {
        let (everywhere, matches) =
            cli::parse_with::<Everywhere>(arguments, commands::with_resources)?;
        let Everywhere { connection, controllers, is_json, is_dry_run, is_sure, timeout } =
            everywhere;
        let mut options = Self {
            connection,
            controllers,
            is_json,
            is_dry_run,
            is_sure,
            timeout,
            ..Self::default()
        };
        // clap lets nothing pass without both.
        if let Some((resource, matches)) = matches.subcommand()
            && let Some((verb, matches)) = matches.subcommand()
        {
            let given = |name: &str| {
                matches
                    .try_get_many::<String>(name)
                    .ok()
                    .flatten()
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect()
            };
            options.names = given("names");
            (options.resource, options.verb) = (resource.to_owned(), verb.to_owned());
            for (name, is_flag) in commands::options() {
                match is_flag {
                    true if matches.try_get_one::<bool>(name).ok().flatten() == Some(&true) => {
                        options.flags.push(name)
                    }
                    true => {}
                    false => drop(options.values.insert(name, given(name))),
                }
            }
        }
        Ok(options)
    }

    /// The settings of the client for the brokers or controllers that are named.
    pub(crate) fn client(&self) -> Outcome<ClientConfig> {
        match &self.controllers {
            Some(controllers) => self.connection.client_of_controllers(controllers, "admin"),
            None => self.connection.client(&self.connection.cluster()?, "admin"),
        }
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| Some(*given) == flag.strip_prefix("--"))
    }

    /// Every value of an option that may come several times.
    pub(crate) fn all(&self, option: &str) -> impl Iterator<Item = &str> {
        self.values.get(option.trim_start_matches("--")).into_iter().flatten().map(String::as_str)
    }

    /// The value of an option, the last if it came several times.
    pub(crate) fn one(&self, option: &str) -> Option<&str> {
        self.all(option).last()
    }

    pub(crate) fn parsed<T: FromStr>(&self, option: &str) -> Outcome<Option<T>> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Stop::usage(format_args!("{option} cannot be {text:?}")))
        };
        self.one(option).map(parse).transpose()
    }

    /// Every `K=V` of an option.
    pub(crate) fn pairs(&self, option: &str) -> Outcome<Vec<(&str, &str)>> {
        let split = |pair: &'_ str| -> Outcome<usize> {
            pair.find('=')
                .ok_or_else(|| Stop::usage(format_args!("{option} is {pair:?}: K=V is allowed")))
        };
        self.all(option).map(|pair| split(pair).map(|at| (&pair[..at], &pair[at + 1..]))).collect()
    }

    /// An option that is `earliest`, `latest` or milliseconds.
    pub(crate) fn time(&self, option: &str) -> Outcome<Option<OffsetSpec>> {
        let read = |text: &str| match text {
            "latest" => Ok(OffsetSpec::Latest),
            "earliest" => Ok(OffsetSpec::Earliest),
            text => text.parse().map(|time| OffsetSpec::At(Timestamp(time))).map_err(|_| {
                Stop::usage(format_args!(
                    "{option} is {text:?}: earliest, latest and milliseconds are allowed"
                ))
            }),
        };
        self.one(option).map(read).transpose()
    }

    /// The names, of which there must be some.
    pub(crate) fn some_names(&self) -> Outcome<&[String]> {
        match self.names.is_empty() {
            true => Err(Stop::usage(format_args!("{} {} needs a name", self.resource, self.verb))),
            false => Ok(&self.names),
        }
    }

    /// Refuses names where there are none.
    pub(crate) fn no_names(&self) -> Outcome<()> {
        match self.names.first() {
            None => Ok(()),
            Some(name) => {
                Err(Stop::usage(format_args!("{} {} takes no {name:?}", self.resource, self.verb)))
            }
        }
    }

    pub(crate) fn unknown_verb<T>(&self) -> Outcome<T> {
        Err(Stop::usage(format_args!("{:?} cannot be done to {}", self.verb, self.resource)))
    }

    /// Whether to do what cannot be undone: asks on a terminal unless `--yes` is given, and only
    /// tells under `--dry-run`.
    ///
    /// # Errors
    /// A failure if the answer is no.
    pub(crate) fn may_destroy(&self, plan: &[String]) -> Outcome<bool> {
        if self.is_dry_run {
            return Ok(false);
        }
        if self.is_sure || !io::stdin().is_terminal() {
            return Ok(true);
        }
        for step in plan {
            eprintln!("{step}");
        }
        eprint!("Do this? [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(true),
            _ => Err(Stop::failure("nothing was done")),
        }
    }

    /// What a dry run prints.
    pub(crate) fn dry_run(plan: Vec<String>) -> Table {
        let mut table = Table::new(["WOULD"]);
        for step in plan {
            table.row([step.into()]);
        }
        table
    }
}

/// `TOPIC:PARTITION`; a topic's name holds no colon.
pub(crate) fn partition(text: &str) -> Outcome<TopicPartition> {
    let (partition, rest) = parts(text)?;
    match rest {
        None => Ok(partition),
        Some(_) => Err(Stop::usage(format_args!("{text:?} is no TOPIC:PARTITION"))),
    }
}

/// `TOPIC:PARTITION:OFFSET`.
pub(crate) fn partition_and_offset(text: &str) -> Outcome<(TopicPartition, Offset)> {
    let (partition, rest) = parts(text)?;
    let offset = rest.and_then(|offset| offset.parse().ok());
    let offset: i64 =
        offset.ok_or_else(|| Stop::usage(format_args!("{text:?} is no TOPIC:PARTITION:OFFSET")))?;
    Ok((partition, Offset(offset)))
}

/// `TOPIC:PARTITION:BROKER,BROKER`.
pub(crate) fn partition_and_brokers(text: &str) -> Outcome<(TopicPartition, Vec<BrokerId>)> {
    let (partition, rest) = parts(text)?;
    let rest = rest
        .ok_or_else(|| Stop::usage(format_args!("{text:?} is no TOPIC:PARTITION:BROKER,BROKER")))?;
    Ok((partition, brokers(rest)?))
}

/// `1,2,3`.
pub(crate) fn brokers(text: &str) -> Outcome<Vec<BrokerId>> {
    let broker = |id: &str| {
        id.trim()
            .parse()
            .map(BrokerId)
            .map_err(|_| Stop::usage(format_args!("{id:?} is no broker")))
    };
    text.split(',').map(broker).collect()
}

fn parts(text: &str) -> Outcome<(TopicPartition, Option<&str>)> {
    let mut parts = text.splitn(3, ':');
    let topic = parts.next().filter(|topic| !topic.is_empty());
    let partition =
        parts.next().and_then(|number| number.parse::<i32>().ok()).filter(|number| *number >= 0);
    match (topic, partition) {
        (Some(topic), Some(partition)) => Ok((TopicPartition::new(topic, partition), parts.next())),
        _ => Err(Stop::usage(format_args!("{text:?} does not begin with TOPIC:PARTITION"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        Options::read(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_command_line_is_a_resource_a_verb_and_names_among_options() {
        let options = read("topics --dry-run create a --partitions 3 b --config=x=1=2").unwrap();
        assert_eq!((options.resource.as_str(), options.verb.as_str()), ("topics", "create"));
        assert_eq!(
            (options.names.as_slice(), options.is_dry_run),
            (["a".to_owned(), "b".to_owned()].as_slice(), true)
        );
        assert_eq!(options.parsed::<i32>("--partitions").unwrap(), Some(3));
        assert_eq!(options.pairs("--config").unwrap(), [("x", "1=2")]);
        assert!(matches!(read("topics"), Err(Stop::Usage(_))));
        assert!(matches!(read("topics list --fly"), Err(Stop::Usage(_))));
    }

    #[test]
    fn what_a_verb_does_not_know_is_refused() {
        for line in [
            "topics list --partitions 3",
            "topics alter t --unclean",
            "groups describe g --state x",
            "cluster brokers b",
            "topics fly",
        ] {
            assert!(matches!(read(line), Err(Stop::Usage(_))), "{line}");
        }
        let options =
            read("configs alter topic:t --set a=1 --set b= --delete c --json -X client.id=x")
                .unwrap();
        assert_eq!(
            (
                options.pairs("--set").unwrap().len(),
                options.all("--delete").count(),
                options.is_json
            ),
            (2, 1, true)
        );
        let time = |line: &str| read(line).unwrap().time("--to");
        assert_eq!(
            time("groups reset-offsets g --to 7").unwrap(),
            Some(OffsetSpec::At(Timestamp(7)))
        );
        assert_eq!(time("groups reset-offsets g").unwrap(), None);
        assert!(matches!(time("groups reset-offsets g --to noon"), Err(Stop::Usage(_))));
        assert!(read("leaders elect --unclean").unwrap().has("--unclean"));
        assert_eq!(read("topics delete-records t:0:-1").unwrap().names, ["t:0:-1"]);
    }

    #[test]
    fn help_is_there_for_all_a_resource_and_a_verb() {
        for (line, part) in [
            ("--help", "reassignments"),
            ("topics --help", "delete-records"),
            ("topics create -h", "--assignment"),
            ("--man", "admin\\-topics(1)"),
            ("topics create --man", "\\-\\-bootstrap\\-server"),
        ] {
            let Err(Stop::Asked(text)) = read(line) else { panic!("{line} is not answered") };
            assert!(text.contains(part), "{text}");
        }
    }

    #[tokio::test]
    async fn controllers_take_the_place_of_brokers_in_files_and_are_not_named_beside_them() {
        let clients = |line: &str| read(line).unwrap().client();
        let config =
            clients("cluster quorum --bootstrap-controller c:1 -X bootstrap.servers=b:1").unwrap();
        kavka::Client::new(config).unwrap();
        let both = clients("cluster quorum --bootstrap-controller c:1 --bootstrap-server b:1");
        assert!(matches!(both, Err(Stop::Usage(_))));
    }

    #[test]
    fn what_is_no_partition_is_refused() {
        assert_eq!(partition("t:3").unwrap(), TopicPartition::new("t", 3));
        assert_eq!(
            partition_and_offset("t:3:-1").unwrap(),
            (TopicPartition::new("t", 3), Offset(-1))
        );
        assert_eq!(partition_and_brokers("t:0:1,2").unwrap().1, [BrokerId(1), BrokerId(2)]);
        for text in ["", "t", ":1", "t:x", "t:-1", "t:1:2"] {
            assert!(partition(text).is_err(), "{text:?}");
        }
        assert!(partition_and_offset("t:1").is_err());
    }

    #[test]
    fn a_dry_run_destroys_nothing() {
        assert!(!read("topics delete a --dry-run --yes").unwrap().may_destroy(&[]).unwrap());
        assert!(read("topics delete a --yes").unwrap().may_destroy(&[]).unwrap());
    }
}
