//! franz-go beside us: transactions of both in the same partitions, and members of both in one
//! group.
//!
//! `.ci/soak franz_go` builds what stands in for it (`benches/peers/go/transactions`) and names it
//! in `KAVKA_FRANZ_GO`; without that there is nothing to do here.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kavka::{
    AssignmentStrategy, Client, Error, NewTopic, ProducerConfig, Record, RecordBatch,
    TopicPartition, TransactionSender,
};
use kavka_testcontainers::apache::{Cluster, Config, Version};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{PARTITIONS, Topics, compare, fill, read_to_end};
use crate::support::{Dice, PATIENCE, client, earliest, in_time, sized};

/// A cluster, and the program that speaks to it by franz-go.
struct Beside {
    cluster: Cluster,
    client: Client,
    program: PathBuf,
}

#[tokio::test(flavor = "multi_thread")]
async fn franz_go_and_we_read_what_the_other_has_committed_and_share_a_group() {
    let Some(program) = env::var_os("KAVKA_FRANZ_GO") else {
        return eprintln!("KAVKA_FRANZ_GO names no program: see .ci/soak franz_go");
    };
    for version in [Version::DEFAULT, Version::new(3, 9, 2)] {
        let cluster = Cluster::start(Config::new().version(version)).await.unwrap();
        let client = client(&cluster);
        let beside = Beside { cluster, client, program: program.clone().into() };
        eprintln!("Kafka {version}");
        beside.both_write().await;
        for strategy in [AssignmentStrategy::Range, AssignmentStrategy::CooperativeSticky] {
            beside.both_copy(strategy).await;
        }
        beside.client.close(PATIENCE).await.unwrap();
        beside.cluster.shutdown().await.unwrap();
    }
}

impl Beside {
    /// Each has transactions in all partitions while the other does, and aborts one of three.
    async fn both_write(&self) {
        let transactions: u64 = sized(200, 1_000);
        let topic = NewTopic::new("both").partitions(PARTITIONS);
        self.client.admin().create_topic(topic).await.unwrap();
        let count = transactions.to_string();
        let mut theirs =
            self.start(&["write", "--topic", "both", "--id", "theirs", "--transactions", &count]);
        self.until_begun().await;
        self.write("ours", transactions).await;
        assert!(in_time("its transactions", theirs.wait()).await.unwrap().success());

        let all = committed("ours", transactions).chain(committed("theirs", transactions)).count();
        let we_read = read_to_end(&self.client, "both", PARTITIONS).await;
        let it_reads = self.read("both", all).await;
        for (who, read) in [("we", &we_read), ("franz-go", &it_reads)] {
            for id in ["ours", "theirs"] {
                let of_id = |values: &Vec<String>| {
                    values.iter().filter(|value| value.starts_with(id)).cloned().collect()
                };
                let read: Vec<Vec<String>> = read.iter().map(of_id).collect();
                compare(
                    &format!("{who} read {id}"),
                    &read,
                    &by_partition(committed(id, transactions)),
                );
            }
        }
        assert_eq!(we_read, it_reads);
        let turns = we_read.iter().flat_map(|values| values.windows(2));
        let turns =
            turns.filter(|pair| pair[0].starts_with('o') != pair[1].starts_with('o')).count();
        assert!(turns > 10, "they took turns {turns} times only");
        eprintln!("{all} records, {turns} turns");
    }

    async fn until_begun(&self) {
        let consumer = self.client.consumer(earliest()).unwrap();
        let partition = TopicPartition::new("both", 0);
        let ends = async || consumer.end_offsets([partition.clone()]).await.unwrap();
        in_time("its first record", async {
            while ends().await.values().any(|end| end.0 == 0) {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// As the program does.
    async fn write(&self, id: &str, transactions: u64) {
        let config = ProducerConfig::new().transactional_id(id);
        let mut producer = self.client.transactional_producer(config).unwrap();
        for number in 0..transactions {
            let mut transaction = producer.begin().await.unwrap();
            for (partition, value) in values(id, number) {
                let record = Record::to("both").partition(partition).value(&value);
                drop(transaction.send(record).await.unwrap());
            }
            if number % 3 == 2 {
                transaction.abort().await.unwrap();
            } else {
                transaction.commit().await.unwrap();
            }
        }
        producer.close(PATIENCE).await.unwrap();
    }

    /// Members of both copy, abort, are killed and come back; each record is copied once.
    async fn both_copy(&self, strategy: AssignmentStrategy) {
        let records = sized(6_000, 20_000);
        let name = strategy.name().to_owned();
        let named = |name: String| -> &'static str { name.leak() };
        let topics = Topics {
            input: named(format!("in-{name}")),
            output: named(format!("out-{name}")),
            group: named(format!("group-{name}")),
        };
        let expected = fill(&self.client, topics, records).await;
        let mut copying = Copying::start(self, topics, strategy).await;
        let (admin, began) = (self.client.admin(), Instant::now());
        // What has to be copied before the next is killed: a group that only rebalances shows nothing.
        let mut next = records / 6;
        loop {
            let committed = admin.list_group_offsets([topics.group]).await;
            let committed = committed.into_values().flatten().flatten();
            let copied: u64 =
                committed.map(|(_, offset)| u64::try_from(offset.unwrap().offset.0).unwrap()).sum();
            if copied == records {
                break;
            }
            if copied >= next {
                copying.disturb().await;
                next = copied + records / 6;
            }
            assert!(began.elapsed() < 3 * PATIENCE, "{copied} of {records} were copied");
            sleep(Duration::from_millis(200)).await;
        }
        let theirs = copying.end().await;
        eprintln!("{name}: {records} records in {:?}, {theirs} by franz-go", began.elapsed());
        assert!(theirs > 0 && theirs < records, "only one of both has copied");
        compare("we", &read_to_end(&self.client, topics.output, PARTITIONS).await, &expected);
        let records = usize::try_from(records).unwrap();
        compare("franz-go", &self.read(topics.output, records).await, &expected);
    }

    /// What franz-go reads of committed records.
    async fn read(&self, topic: &str, records: usize) -> Vec<Vec<String>> {
        let mut command =
            self.command(&["read", "--topic", topic, "--records", &records.to_string()]);
        let output = in_time("its reading", command.output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        by_partition(printed.lines().map(|line| {
            let (partition, value) = line.split_once(' ').unwrap();
            (partition.parse().unwrap(), value.to_owned())
        }))
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--bootstrap-server", &self.cluster.bootstrap()]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The members that are at work.
struct Copying<'b> {
    beside: &'b Beside,
    topics: Topics,
    strategy: AssignmentStrategy,
    ours: Vec<JoinHandle<()>>,
    /// The program, and where it writes how much it has copied.
    theirs: Vec<(Child, PathBuf)>,
    dice: Dice,
}

impl<'b> Copying<'b> {
    async fn start(beside: &'b Beside, topics: Topics, strategy: AssignmentStrategy) -> Self {
        let (ours, theirs) = (Vec::new(), Vec::new());
        let mut copying = Self { beside, topics, strategy, ours, theirs, dice: Dice::new() };
        copying.add_theirs();
        in_time("its first copies", async {
            while copying.copied_by_theirs() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        copying.add_ours();
        copying
    }

    /// Kills one, and starts another in its place, with the same transactional id.
    async fn disturb(&mut self) {
        if self.dice.below(2) == 0 {
            self.ours.last().unwrap().abort();
            self.add_ours();
        } else {
            self.theirs.last_mut().unwrap().0.kill().await.unwrap();
            self.add_theirs();
        }
    }

    fn add_ours(&mut self) {
        let (client, topics) = (client(&self.beside.cluster), self.topics);
        let input = earliest()
            .group_id(topics.group)
            .partition_assignment_strategy([self.strategy.clone()])
            .session_timeout(Duration::from_secs(6))
            .heartbeat_interval(Duration::from_secs(1));
        let output = ProducerConfig::new()
            .transactional_id(format!("{}-ours", topics.group))
            .transaction_timeout(Duration::from_secs(20));
        let mut dice = Dice::of(self.dice.below(u64::MAX));
        self.ours.push(tokio::spawn(async move {
            let session = client.exactly_once(input, output).unwrap();
            let mut session = session.max_records(100);
            session.subscribe([topics.input]).unwrap();
            loop {
                let mut fails_after = dice.below(20);
                let ended = session.run(|batch, output| {
                    let fails = fails_after == 0;
                    fails_after = fails_after.saturating_sub(1);
                    copy(topics, batch, output, fails)
                });
                match ended.await {
                    Err(Stopped::ByItself) => {}
                    // Its predecessor was not gone yet, or what was under way failed with it.
                    Err(Stopped::Failed(error)) => return eprintln!("ours has ended: {error}"),
                    Ok(()) => unreachable!("it runs until it fails"),
                }
            }
        }));
    }

    fn add_theirs(&mut self) {
        let id = format!("{}-theirs", self.topics.group);
        let file = format!("{}-{}", self.topics.group, self.theirs.len());
        let file = self.beside.cluster.file(&file, b"").unwrap();
        let arguments = ["--input", self.topics.input, "--output", self.topics.output];
        let member =
            ["--group", self.topics.group, "--id", &id, "--balancer", self.strategy.name()];
        let mut command = self.beside.command(&[&["copy"], &arguments[..], &member].concat());
        command.stdout(std::fs::File::create(&file).unwrap());
        self.theirs.push((command.spawn().unwrap(), file));
    }

    /// Ends all; returns how much the program has copied.
    async fn end(mut self) -> u64 {
        self.ours.last().unwrap().abort();
        self.theirs.last_mut().unwrap().0.kill().await.unwrap();
        self.copied_by_theirs()
    }

    fn copied_by_theirs(&self) -> u64 {
        let copied = |(_, file): &(Child, PathBuf)| {
            let printed = std::fs::read_to_string(file).unwrap();
            let last = printed.lines().last().and_then(|line| line.strip_prefix("copied "));
            last.map_or(0, |copied| copied.parse::<u64>().unwrap())
        };
        self.theirs.iter().map(copied).sum()
    }
}

/// Why a run has ended.
enum Stopped {
    ByItself,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn copy(
    topics: Topics,
    batch: RecordBatch,
    output: TransactionSender,
    fails: bool,
) -> Result<(), Stopped> {
    for record in &batch {
        let copied = Record::to(topics.output).partition(record.partition());
        drop(output.send(copied.value(record.value())).await?);
    }
    if fails { Err(Stopped::ByItself) } else { Ok(()) }
}

/// What both write in a transaction; the program knows it, too.
fn values(id: &str, transaction: u64) -> impl Iterator<Item = (i32, String)> {
    (0..1 + 7 * transaction % 50).map(move |number| {
        let partition = i32::try_from(number).unwrap() % PARTITIONS;
        (partition, format!("{id} {transaction} {number}"))
    })
}

fn committed(id: &str, transactions: u64) -> impl Iterator<Item = (i32, String)> {
    let committed = (0..transactions).filter(|transaction| transaction % 3 != 2);
    committed.flat_map(move |transaction| values(id, transaction))
}

fn by_partition(values: impl Iterator<Item = (i32, String)>) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
    for (partition, value) in values {
        all[usize::try_from(partition).unwrap()].push(value);
    }
    all
}
