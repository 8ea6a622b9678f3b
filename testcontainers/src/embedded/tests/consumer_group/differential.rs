//! The same random requests to the embedded cluster and to real Kafka, whose answers must be the
//! same. Needs a broker as `real` does.
//!
//! Sessions are long, so that none ends; what goes by Java's hashes is left out: there
//! is one topic, or the range assignor.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::ConsumerGroupHeartbeatRequest;

use super::super::client::one_broker;
use super::real;
use super::start;
use super::world::{World, error, text};
use crate::embedded::clock::Random;

const RUNS: u64 = 60;
const STEPS: usize = 60;
const MEMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What a member was told last.
#[derive(Clone, Debug, Default)]
struct Told {
    epoch: i32,
    has: BTreeMap<&'static str, Vec<i32>>,
}

struct Dice {
    random: Random,
    /// With a second topic, and ranges.
    by_range: bool,
    told: BTreeMap<&'static str, Told>,
}

impl Dice {
    fn one_in(&mut self, count: u64) -> bool {
        self.random.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.random.below(u64::try_from(of.len()).unwrap())).unwrap()]
    }

    /// The epoch that the member has, or another one.
    fn epoch(&mut self, member: &str) -> i32 {
        let known = self.told.get(member).map_or(0, |told| told.epoch);
        match self.random.below(10) {
            0 => known - 1,
            1 => known + 1,
            2 => 0,
            _ => known,
        }
    }

    /// What the member has, or less, or something else, or nothing said.
    fn owned(&mut self, member: &str) -> Option<BTreeMap<&'static str, Vec<i32>>> {
        let mut has = self.told.get(member).cloned().unwrap_or_default().has;
        match self.random.below(8) {
            0 | 1 => return None,
            2 => has.clear(),
            3 => has.values_mut().for_each(|of| of.truncate(1)),
            4 => drop(has.insert("t", vec![0, 1, 2, 3])),
            _ => {}
        }
        Some(has)
    }

    fn names(&mut self) -> Vec<&'static str> {
        if self.by_range {
            self.pick(&[&["t", "u"][..], &["t", "u"], &["t"], &["u"], &[], &["x", "t"]]).to_vec()
        } else {
            self.pick(&[&["t"][..], &["t"], &["t"], &[]]).to_vec()
        }
    }
}

/// A request, drawn once and made for either world.
#[derive(Clone, Debug)]
enum Ask {
    Beat {
        member: &'static str,
        epoch: i32,
        instance: bool,
        owned: Option<BTreeMap<&'static str, Vec<i32>>>,
        names: Option<Vec<&'static str>>,
        timeout: bool,
        assignor: Option<&'static str>,
    },
    Commit(&'static str, i32, Vec<i32>, i16),
    Fetch(Option<&'static str>, i32),
    Join(&'static str, BTreeMap<&'static str, Vec<i32>>, bool),
    Sync(&'static str, i32),
    Heartbeat(&'static str, i32),
    Leave(&'static str),
    Describe,
    List,
}

fn draw(dice: &mut Dice, is_consumer: bool) -> Ask {
    let member = dice.pick(&MEMBERS);
    let epoch = dice.epoch(member);
    match dice.random.below(20) {
        0 => Ask::Describe,
        1 => Ask::List,
        2 => Ask::Commit(member, epoch, vec![0, 2], dice.pick(&[8, 9, 9])),
        3 => Ask::Commit(member, epoch, vec![dice.pick(&[0, 1, 3, 7])], 9),
        4 => Ask::Fetch(dice.pick(&[Some(member), Some(member), None]), epoch),
        5 => Ask::Heartbeat(member, epoch),
        6 if dice.one_in(2) => Ask::Leave(member),
        7 if is_consumer => {
            Ask::Join(member, dice.owned(member).unwrap_or_default(), member == "e")
        }
        8 if is_consumer => Ask::Sync(member, epoch),
        9 => beat(dice, member, dice_leave(member)),
        10 | 11 => beat(dice, member, 0),
        _ => beat(dice, member, epoch),
    }
}

/// `e` is static, and goes for now.
fn dice_leave(member: &str) -> i32 {
    if member == "e" { -2 } else { -1 }
}

fn beat(dice: &mut Dice, member: &'static str, epoch: i32) -> Ask {
    let joins = epoch == 0;
    let speaks = joins || dice.one_in(5);
    Ask::Beat {
        member,
        epoch,
        instance: if dice.one_in(20) { member != "e" } else { member == "e" },
        owned: if joins { Some(BTreeMap::new()) } else { dice.owned(member) },
        names: speaks.then(|| dice.names()),
        timeout: speaks,
        assignor: match (joins, dice.by_range) {
            (true, true) => Some("range"),
            (true, false) if dice.one_in(2) => Some("uniform"),
            _ => None,
        },
    }
}

async fn ask(world: &mut World, ask: &Ask) -> String {
    match ask {
        Ask::Beat { .. } => {
            let request = heartbeat(world, ask);
            world.beat(&request).await
        }
        Ask::Commit(member, epoch, partitions, version) => {
            world.commit(*version, member, *epoch, partitions).await
        }
        Ask::Fetch(member, epoch) => world.fetch(*member, *epoch, &[0, 1]).await,
        Ask::Join(member, owned, instance) => {
            let owned: Vec<(&str, &[i32])> =
                owned.iter().map(|(topic, of)| (*topic, of.as_slice())).collect();
            let request = world.classic(member, &owned);
            let instance = instance.then(|| text("i"));
            let request = request.with_group_instance_id(instance);
            let patient = request.with_session_timeout_ms(60_000).with_rebalance_timeout_ms(60_000);
            world.join_as(&patient, 9).await
        }
        Ask::Sync(member, generation) => world.sync_classic(member, *generation).await,
        Ask::Heartbeat(member, generation) => world.beat_classic(member, *generation).await,
        Ask::Leave(member) => error(world.leave_classic(&text(member)).await),
        Ask::Describe => world.described().await,
        Ask::List => world.listed().await,
    }
}

fn heartbeat(world: &World, ask: &Ask) -> ConsumerGroupHeartbeatRequest {
    let Ask::Beat { member, epoch, instance, owned, names, timeout, assignor } = ask else {
        panic!("{ask:?} is no heartbeat");
    };
    let request = match owned {
        None => world.alive(member, *epoch),
        Some(owned) => {
            let owned: Vec<(&str, &[i32])> =
                owned.iter().map(|(topic, of)| (*topic, of.as_slice())).collect();
            world.owning(member, *epoch, &owned)
        }
    };
    request
        .with_instance_id(instance.then(|| text("i")))
        .with_subscribed_topic_names(names.as_ref().map(|names| world.names(names)))
        .with_rebalance_timeout_ms(if *timeout { 60_000 } else { -1 })
        .with_server_assignor(assignor.map(text))
}

/// Notes what the member was told: `epoch 3, t [0, 1]`.
fn note(dice: &mut Dice, ask: &Ask, answer: &str) {
    let (member, epoch) = match ask {
        Ask::Beat { member, .. } => (*member, answer.strip_prefix("epoch ")),
        Ask::Join(member, ..) => (*member, answer.strip_prefix("generation ")),
        _ => return,
    };
    let Some(epoch) = epoch else { return };
    let (epoch, rest) = epoch.split_once(", ").unwrap_or((epoch, ""));
    let told = dice.told.entry(member).or_default();
    told.epoch = epoch.parse::<i32>().unwrap().max(0);
    if matches!(ask, Ask::Join(..)) || rest.is_empty() {
        return;
    }
    told.has.clear();
    for topic in ["t", "u"] {
        let start = format!("{topic} [");
        if let Some(at) = rest.find(&start) {
            let list = rest[at + start.len()..].split(']').next().unwrap();
            let partitions = list.split(", ").filter_map(|one| one.parse().ok());
            told.has.insert(topic, partitions.collect());
        }
    }
}

#[tokio::test]
#[ignore = "needs a real broker"]
async fn random_requests_are_answered_alike() {
    let seeds = std::env::var("KAVKA_SEED").map(|seed| seed.parse::<u64>().unwrap());
    let (first, last) = seeds.map_or((0, RUNS), |seed| (seed, seed + 1));
    for seed in first..last {
        let Some(mut real) = real::world(&format!("random{seed}")).await else { return };
        real::configure(&mut real, "consumer.session.timeout.ms", "60000").await;
        let cluster = start(one_broker(), Duration::from_secs(60)).await;
        let mut embedded = World::embedded(&cluster).await;
        let by_range = seed % 2 == 1;
        if by_range {
            real.create("u", 3).await;
            embedded.create("u", 3).await;
        }
        let mut dice = Dice { random: Random::new(seed), by_range, told: BTreeMap::new() };
        let mut log = Vec::new();
        for _ in 0..STEPS {
            let is_consumer =
                cluster.group_types().get(&embedded.group).is_some_and(|kind| *kind == "consumer");
            let request = draw(&mut dice, is_consumer);
            let (here, there) =
                (ask(&mut embedded, &request).await, ask(&mut real, &request).await);
            log.push(format!("{request:?}\n    {there}"));
            assert_eq!(here, there, "seed {seed}, {}", log.join("\n"));
            note(&mut dice, &request, &here);
        }
    }
}
