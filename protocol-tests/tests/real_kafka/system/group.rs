//! A group of verifiable consumers, which are started, stopped, killed and asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::TopicPartition;
use kavka::admin::{ConfigAlteration, ConfigResource, ConsumerGroup, GroupState};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::producer::Producer;
use super::rules::{Books, Listening, State};
use super::{BETWEEN_LOOKS, Bench, Bounce, LONG_SESSION, Shutdown};
use crate::programs::Program;
use crate::support::{PATIENCE, in_time};

pub(super) const RANGE: &str = "RangeAssignor";
pub(super) const ROUND_ROBIN: &str = "RoundRobinAssignor";
pub(super) const STICKY: &str = "StickyAssignor";
pub(super) const COOPERATIVE_STICKY: &str = "CooperativeStickyAssignor";

/// How a member takes part in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// With these strategies, the first of which is liked best.
    Classic(&'static [&'static str]),
    /// With this assignor of the broker.
    Consumer(&'static str),
}

impl Protocol {
    pub(super) const RANGE: Self = Self::Classic(&[RANGE]);
    pub(super) const UNIFORM: Self = Self::Consumer("uniform");

    fn arguments(self) -> Vec<String> {
        match self {
            Self::Classic(strategies) => {
                let class = |name| format!("org.apache.kafka.clients.consumer.{name}");
                let classes: Vec<_> = strategies.iter().map(class).collect();
                let strategies = classes.join(",");
                ["--group-protocol", "classic", "--assignment-strategy", &strategies]
                    .map(str::to_owned)
                    .into()
            }
            Self::Consumer(assignor) => {
                ["--group-protocol", "consumer", "--group-remote-assignor", assignor]
                    .map(str::to_owned)
                    .into()
            }
        }
    }

    /// Of several strategies all must be cooperative, as in Java's ConsumerCoordinator.
    fn listening(self) -> Listening {
        match self {
            Self::Classic([COOPERATIVE_STICKY]) => Listening::Cooperative,
            Self::Classic(_) => Listening::Eager,
            Self::Consumer(_) => Listening::Reconciling,
        }
    }
}

/// What the members of a group have in common.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) protocol: Protocol,
    pub(super) session: Duration,
    pub(super) is_static: bool,
    pub(super) is_autocommitting: bool,
    /// More of the command line.
    pub(super) more: &'static [&'static str],
}

impl Setup {
    /// Dynamic members that commit after each poll.
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            session: LONG_SESSION,
            is_static: false,
            is_autocommitting: false,
            more: &[],
        }
    }
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    changed: Notify,
}

/// A group that reads one topic. Slots are numbered from 1 and keep their instance id.
pub(super) struct Group<'a> {
    bench: &'a Bench,
    pub(super) topic: String,
    pub(super) id: String,
    pub(super) setup: Setup,
    shared: Arc<Shared>,
    members: BTreeMap<usize, Program>,
}

impl<'a> Group<'a> {
    pub(super) async fn new(bench: &'a Bench, topic: &str, setup: Setup) -> Self {
        Self::named(bench, topic, &format!("{topic}-group"), setup).await
    }

    pub(super) async fn named(bench: &'a Bench, topic: &str, id: &str, setup: Setup) -> Self {
        eprintln!("{id}: {setup:?}");
        if bench.has_consumer_protocol() {
            // Under the consumer protocol the session is the broker's to set.
            let session = setup.session.as_millis().to_string();
            let session = ConfigAlteration::set("consumer.session.timeout.ms", session);
            let group = ConfigResource::group(id);
            let altered = bench.client.admin().alter_configs([(group, vec![session])]).await;
            altered.into_values().for_each(|altered| altered.unwrap());
        }
        let (topic, id) = (topic.to_owned(), id.to_owned());
        Self { bench, topic, id, setup, shared: Arc::default(), members: BTreeMap::new() }
    }

    /// Lets an unclean election cut the log.
    pub(super) fn allow_cuts(&self) {
        self.ask(|books| books.cuts = Some(Vec::new()));
    }

    pub(super) fn start(&mut self, slots: impl IntoIterator<Item = usize>) {
        for slot in slots {
            let name = format!("{}.{slot}.err", self.id);
            let complaints = match self.members.get(&slot) {
                None => self.bench.cluster.file(&name, b"").unwrap(),
                Some(former) => former.complaints_file().to_owned(),
            };
            let mut arguments = self.setup.protocol.arguments();
            let session = self.setup.session.as_millis().to_string();
            arguments.extend(
                [
                    "--bootstrap-server",
                    &self.bench.cluster.bootstrap(),
                    "--topic",
                    &self.topic,
                    "--group-id",
                    &self.id,
                    "--session-timeout",
                    &session,
                    "-X",
                    &format!("client.id={}", client_id(slot)),
                    // What is asked for at the end of the log must not hold up who leaves.
                    "-X",
                    "fetch.max.wait.ms=100",
                ]
                .map(str::to_owned),
            );
            if self.setup.is_static {
                arguments.extend(["--group-instance-id".into(), format!("instance-{slot}")]);
            }
            arguments.extend(self.setup.is_autocommitting.then(|| "--enable-autocommit".into()));
            arguments.extend(self.setup.more.iter().map(|&more| more.to_owned()));
            self.ask(|books| books.start(slot, self.setup.protocol.listening()));
            let shared = Arc::clone(&self.shared);
            let program =
                Program::spawn("verifiable_consumer", &arguments, complaints, move |line| {
                    shared.books.lock().unwrap().hear(slot, line);
                    shared.changed.notify_waiters();
                });
            self.members.insert(slot, program);
        }
    }

    /// Ends members, and waits for it.
    pub(super) async fn stop(&mut self, slots: impl IntoIterator<Item = usize>, how: Shutdown) {
        let slots: Vec<_> = slots.into_iter().collect();
        for slot in &slots {
            let program = self.members.get_mut(slot).unwrap();
            match how {
                Shutdown::Clean => program.terminate().await,
                Shutdown::Hard => {
                    program.kill().await;
                    self.shared.books.lock().unwrap().died(*slot);
                }
            }
        }
        if how == Shutdown::Clean {
            for slot in &slots {
                let program = self.members.get_mut(slot).unwrap();
                let status = program.ended().await;
                assert!(status.success(), "{slot}: {status}: {}", program.complaints());
                let is_dead = self.ask(|books| books.in_state(State::Dead).contains(slot));
                assert!(is_dead, "member {slot} has ended and has not said so");
            }
        }
        self.check();
    }

    /// Ends all that are alive.
    pub(super) async fn stop_all(&mut self) {
        let dead = self.ask(|books| books.in_state(State::Dead));
        let alive: Vec<_> =
            self.members.keys().copied().filter(|slot| !dead.contains(slot)).collect();
        self.stop(alive, Shutdown::Clean).await;
    }

    /// Restarts members, with the setup of now.
    pub(super) async fn bounce(
        &mut self,
        slots: impl IntoIterator<Item = usize>,
        bounce: Bounce,
        how: Shutdown,
    ) {
        let slots: Vec<_> = slots.into_iter().collect();
        let rounds: Vec<&[usize]> = match bounce {
            Bounce::All => vec![&slots],
            Bounce::Rolling => slots.chunks(1).collect(),
        };
        for round in rounds {
            self.stop(round.iter().copied(), how).await;
            self.start(round.iter().copied());
            self.until_stable(self.members.len()).await;
            self.until_consumed(1).await;
        }
    }

    /// Waits for the end of a member that Kafka has turned away.
    pub(super) async fn until_refused(&mut self, slot: usize, words: &str) {
        let program = self.members.get_mut(&slot).unwrap();
        let status = program.ended().await;
        let complaints = program.complaints();
        assert!(!status.success(), "member {slot} has ended as if all were well");
        assert!(complaints.contains(words), "{words:?} is not why: {complaints}");
    }

    /// How many processes have ended.
    pub(super) fn ended(&mut self) -> usize {
        self.members.values_mut().map(|program| usize::from(program.has_ended())).sum()
    }

    pub(super) fn ask<T>(&self, question: impl FnOnce(&mut Books) -> T) -> T {
        question(&mut self.shared.books.lock().unwrap())
    }

    /// Waits until what was told is as it should be.
    ///
    /// # Panics
    /// If a rule is broken meanwhile.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Books) -> bool) {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                self.check();
                if self.ask(|books| holds(books)) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("{}: {what}, is waited for in vain: {}", self.id, self.report());
        }
    }

    /// Waits until so many more records are read.
    pub(super) async fn until_consumed(&self, more: i64) {
        let wanted = self.ask(|books| books.consumed) + more;
        self.until("records are read", |books| books.consumed >= wanted).await;
    }

    /// Waits until so many members are there, and coordinator and members agree on who has which
    /// partition, each of which has one owner.
    pub(super) async fn until_stable(&self, members: usize) -> ConsumerGroup {
        let mut last = None;
        let waiting = async {
            loop {
                self.check();
                if let Some(group) = self.bench.describe(&self.id).await {
                    if self.agrees(&group, members) {
                        return group;
                    }
                    last = Some(group);
                }
                sleep(BETWEEN_LOOKS).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(group) => group,
            Err(_) => panic!(
                "{} does not settle with {members} members: {last:?}\n{}",
                self.id,
                self.report()
            ),
        }
    }

    fn agrees(&self, group: &ConsumerGroup, members: usize) -> bool {
        let partitions = group.members.iter().flat_map(|member| &member.assignment);
        let all: BTreeSet<_> = partitions.clone().collect();
        let is_shared = !all.is_empty() && all.len() == partitions.count();
        let of_group: BTreeMap<_, _> = group
            .members
            .iter()
            .map(|member| (member.client_id.clone(), member.assignment.clone()))
            .collect();
        let told: BTreeMap<_, _> = self.ask(|books| {
            let joined = books.members.iter().filter(|(_, member)| member.state == State::Joined);
            joined.map(|(slot, member)| (client_id(*slot), member.assignment.clone())).collect()
        });
        group.state == GroupState::Stable
            && is_shared
            && group.members.len() == members
            && of_group == told
    }

    /// Waits until all is read that the producer was told is written, and ends both.
    pub(super) async fn finish(&mut self, producer: Producer) {
        let ends = producer.stop().await;
        self.until("all that was acknowledged is read", |books| {
            ends.iter().all(|(partition, end)| books.positions.get(partition) >= Some(end))
        })
        .await;
        self.stop_all().await;
    }

    /// What the tests of Apache Kafka check at their end. After clean shutdowns nothing was read
    /// twice, and what is committed is what was read; in any case nothing is left out.
    pub(super) async fn verify(&self, how: Shutdown) {
        self.check();
        let (position, consumed) = self.ask(|books| (books.position(), books.consumed));
        assert!(position > 0, "nothing was read");
        assert_eq!(self.ask(|books| books.gaps()), [], "records were left out");
        match how {
            Shutdown::Clean => assert_eq!(position, consumed, "records were read twice"),
            Shutdown::Hard => assert!(position <= consumed, "{position} > {consumed}"),
        }
        let positions = self.ask(|books| books.positions.clone());
        if !self.setup.is_autocommitting {
            assert_eq!(self.ask(|books| books.committed.clone()), positions);
        }
        let mut committed: BTreeMap<_, _> =
            self.bench.committed(&self.id).await.into_iter().collect();
        // Automatic commits cover what is assigned and has no record, too, as Java's do.
        committed.retain(|partition, offset| *offset > 0 || positions.contains_key(partition));
        assert_eq!(committed, positions, "the coordinator has other offsets");
    }

    /// # Panics
    /// If a rule is broken.
    fn check(&self) {
        if let Some(fault) = self.ask(|books| books.fault.clone()) {
            panic!("{}: {fault}\n{}", self.id, self.report());
        }
    }

    fn report(&self) -> String {
        let complaints: String = self
            .members
            .iter()
            .map(|(slot, program)| format!("member {slot}: {}\n", program.complaints()))
            .collect();
        self.ask(|books| {
            let members: Vec<_> = books
                .members
                .iter()
                .map(|(slot, member)| format!("{slot}: {:?} {:?}", member.state, member.assignment))
                .collect();
            format!(
                "{members:?}, consumed {}, at {:?}\n{complaints}",
                books.consumed, books.positions
            )
        })
    }
}

fn client_id(slot: usize) -> String {
    format!("slot-{slot}")
}

/// The only partition of a topic.
pub(super) fn first(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

/// Fails the test if what was asked for does not become true.
pub(super) async fn until_true(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    in_time(what, async {
        while !holds().await {
            sleep(BETWEEN_LOOKS).await;
        }
    })
    .await;
}
