//! What all parts of a run share: the cluster, the log, calls that must end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use kavka::{Client, ClientConfig, MetadataRecoveryStrategy, Result, TopicPartition};
use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;
use crate::harness;
use crate::log::Log;
use crate::promise::Promise;

/// What a timer may be late, and a task that it wakes.
pub(crate) const SLACK: Duration = Duration::from_millis(50);

/// How soon after the end of its handle a call must have ended.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// The first part of the name of clients whose settings have them ask without a pause.
pub(crate) const EAGER: &str = "eager";

/// How long each request is on its way, so that a loop of requests shows as their number and does
/// not stop the clock.
const LATENCY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) embedded: EmbeddedCluster,
    pub(crate) log: Log,
    pub(crate) topics: Vec<(String, i32)>,
    pub(crate) brokers: i32,
    pub(crate) request_timeout: Duration,
    /// Faults are made around the clients.
    pub(crate) is_troubled: bool,
    pub(crate) started: Instant,
    /// The lengths of the values of each partition, by offset.
    pub(crate) written: Mutex<BTreeMap<TopicPartition, Vec<usize>>>,
}

/// How a call ended.
pub(crate) enum Ended<T> {
    With(Result<T>),
    /// The caller lost its patience.
    Dropped,
    /// It did not end when it had to.
    Never,
}

impl<T> Ended<T> {
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::With(Ok(_)))
    }
}

/// Tells when a handle has ended.
pub(crate) type Life = watch::Receiver<bool>;

impl World {
    /// A client as a process of its own would have it, now and then with settings from the ends of
    /// what they allow.
    pub(crate) fn client(&self, id: &str, dice: &mut Dice) -> Client {
        let config = self.config(id, dice);
        Client::new(if dice.once_in(2) { config } else { unusual(config, dice) }).unwrap()
    }

    pub(crate) fn config(&self, id: &str, dice: &mut Dice) -> ClientConfig {
        harness::config(&self.embedded, id, self.request_timeout, dice.next())
    }

    pub(crate) fn api_timeout(&self) -> Duration {
        harness::api_timeout(self.request_timeout)
    }

    /// Since the cluster's start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let of = |(name, count): &(String, i32)| {
            let name = name.clone();
            (0..*count).map(move |partition| TopicPartition::new(name.as_str(), partition))
        };
        self.topics.iter().flat_map(of).collect()
    }

    /// Appends a batch of records of up to so many bytes.
    pub(crate) fn write(&self, partition: &TopicPartition, count: i64, largest: usize) {
        let first = self.end(partition);
        let value = vec![b'x'; largest + 100];
        let records: Vec<_> = (first..first + count)
            .map(|offset| (None, Some(&value[..len(offset, largest)])))
            .collect();
        self.embedded.append(&partition.topic, partition.partition.0, &records).unwrap();
        let mut written = self.written.lock().unwrap();
        written
            .entry(partition.clone())
            .or_default()
            .extend(records.iter().map(|(_, value)| value.unwrap().len()));
    }

    /// How long the value is that was written there.
    pub(crate) fn len_of(&self, partition: &TopicPartition, offset: i64) -> usize {
        self.written.lock().unwrap()[partition][usize::try_from(offset).unwrap()]
    }

    /// The offset after the last record of a partition.
    pub(crate) fn end(&self, partition: &TopicPartition) -> i64 {
        self.embedded.offsets(&partition.topic, partition.partition.0).map_or(0, |(_, end)| end)
    }

    /// The ends of all partitions.
    pub(crate) fn ends(&self) -> BTreeMap<TopicPartition, i64> {
        self.partitions()
            .into_iter()
            .map(|partition| (partition.clone(), self.end(&partition)))
            .collect()
    }

    /// Puts the network's latency into force, also after all faults were taken away.
    pub(crate) fn lag(&self) {
        self.embedded.fault(Fault::any().then(Reaction::Delay(LATENCY)));
    }

    pub(crate) fn wrong(&self, promise: Promise, what: impl std::fmt::Display) {
        self.log.wrong(format_args!("{promise} {what}"));
    }

    pub(crate) fn check(&self, holds: bool, promise: Promise, what: impl FnOnce() -> String) {
        self.log.check(holds, || format!("{promise} {}", what()));
    }

    /// Awaits a call that must end within its time, and soon after the end of the handle;
    /// `patience` is when the caller drops it.
    pub(crate) async fn call<T>(
        &self,
        what: &str,
        longest: Duration,
        life: &Life,
        patience: Option<Duration>,
        call: impl Future<Output = Result<T>>,
    ) -> Ended<T> {
        let begun = Instant::now();
        let mut life = life.clone();
        let dead = async {
            let _ = life.wait_for(|ended| *ended).await;
            sleep(GRACE).await;
        };
        let dropped =
            patience.map_or(begun + Duration::from_secs(100_000), |patience| begun + patience);
        tokio::select! {
            biased;
            outcome = call => {
                let outcome = outcome.map_err(|error| { self.log.say(format_args!("{what} failed: {error}")); error });
                Ended::With(outcome)
            }
            () = sleep_until(dropped) => {
                self.log.say(format_args!("{what} is dropped midway"));
                Ended::Dropped
            }
            () = sleep(longest + SLACK) => {
                self.wrong(Promise::CallsEnd, format_args!("{what} took longer than {longest:?}"));
                Ended::Never
            }
            () = dead => {
                self.wrong(Promise::CallsEnd, format_args!("{what} outlives its handle"));
                Ended::Never
            }
        }
    }

    /// Looks for loops: requests of one API of one client in one second. `fetches` is how many
    /// fetches a second may be needed.
    pub(crate) fn check_rests(&self, fetches: usize) {
        let mut windows: BTreeMap<(Option<String>, i16, u64), usize> = BTreeMap::new();
        for request in self.embedded.requests() {
            *windows
                .entry((request.client_id, request.api as i16, request.at.as_secs()))
                .or_default() += 1;
        }
        let is_eager =
            |client: &Option<String>| client.as_ref().is_some_and(|name| name.starts_with(EAGER));
        for ((client, api, second), count) in
            windows.into_iter().filter(|((client, ..), _)| !is_eager(client))
        {
            let api = ApiKey::try_from(api).unwrap();
            let most = match api {
                // Connections that are not kept are opened for each request.
                ApiKey::Fetch | ApiKey::Produce | ApiKey::ApiVersions => fetches,
                _ => 250,
            };
            self.check(count <= most, Promise::Rests, || {
                format!("{count} {api:?} of {client:?} in second {second}")
            });
        }
    }

    /// Ends the cluster, and sees that nothing else is left.
    pub(crate) async fn end_all(&self) -> Vec<String> {
        self.embedded.shutdown().await;
        // Faults that were to end later.
        sleep(Duration::from_secs(15)).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        self.check(tasks == 0, Promise::LeavesNothing, || format!("{tasks} tasks are left"));
        let requests = self.embedded.requests();
        requests
            .iter()
            .map(|request| format!("{:>7} {request:?}", request.at.as_millis()))
            .collect()
    }
}

/// A cluster drawn from the dice.
pub(crate) async fn start(dice: &mut Dice, log: Log, is_troubled: bool) -> World {
    let brokers = i32::try_from(dice.within(1..=3)).unwrap();
    let topics: Vec<_> = (0..dice.within(1..=3))
        .map(|index| (format!("topic-{index}"), i32::try_from(dice.within(1..=4)).unwrap()))
        .collect();
    let mut cluster = EmbeddedCluster::builder()
        .brokers(brokers)
        .in_memory()
        .seed(dice.next())
        .auto_create_topics(false);
    for (name, partitions) in &topics {
        cluster = cluster.topic(name, *partitions, i16::try_from(brokers).unwrap());
    }
    let embedded = cluster.start().await.unwrap();
    let request_timeout = dice.millis(1_500..=6_000);
    let world = World {
        embedded,
        log,
        topics,
        brokers,
        request_timeout,
        is_troubled,
        started: Instant::now(),
        written: Mutex::default(),
    };
    world.lag();
    world.log.say(format_args!(
        "{brokers} brokers, {:?}, request.timeout.ms {request_timeout:?}",
        world.topics
    ));
    world
}

/// Settings with which everything works, if only more slowly or at a greater expense.
fn unusual(config: ClientConfig, dice: &mut Dice) -> ClientConfig {
    let millis = |dice: &mut Dice, from: &[u64]| Duration::from_millis(dice.pick(from));
    let config = config
        .retry_backoff(millis(dice, &[0, 1, 100]))
        .retry_backoff_max(millis(dice, &[100, 1_000]))
        .reconnect_backoff(millis(dice, &[0, 1, 50]))
        .reconnect_backoff_max(millis(dice, &[50, 1_000, 5_000]))
        .socket_connection_setup_timeout(millis(dice, &[100, 10_000, u64::MAX]))
        .metadata_max_age(millis(dice, &[20, 1_000, 300_000, u64::MAX]))
        .metadata_max_idle(millis(dice, &[5_000, 300_000, u64::MAX]))
        .metadata_recovery_strategy(
            dice.pick(&[MetadataRecoveryStrategy::None, MetadataRecoveryStrategy::Rebootstrap]),
        )
        .metadata_recovery_rebootstrap_trigger(millis(dice, &[0, 1, 300_000, u64::MAX]))
        .connections_max_idle(
            dice.pick(&[None, Some(1), Some(100), Some(u64::MAX)]).map(Duration::from_millis),
        )
        .connections_min_idle(dice.pick(&[0, 1, usize::MAX]))
        .receive_message_max_bytes(dice.pick(&[51 << 20, 2_147_483_647]))
        .enable_metrics_push(dice.once_in(2));
    config.connections_max_lifetime(
        dice.pick(&[None, Some(1), Some(500), Some(u64::MAX)]).map(Duration::from_millis),
    )
}

/// Lengths that tell neighbours apart.
fn len(offset: i64, largest: usize) -> usize {
    usize::try_from(offset % 97).unwrap() + largest
}
