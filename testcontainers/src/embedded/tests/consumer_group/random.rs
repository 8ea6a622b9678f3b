//! Random runs: members that obey the protocol, replies that are lost, topics that change, members
//! that come, go, and are silent for too long.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use uuid::Uuid;

use super::cluster;
use super::world::{MOST_MEMBERS, SESSION_MS, World, error, rest};
use crate::embedded::EmbeddedCluster;
use crate::embedded::clock::Random;

const STEPS: usize = 80;
const SEEDS: u64 = 60;
const TOPICS: [&str; 3] = ["t", "u", "v"];

/// A member that does what it is told.
#[derive(Debug, Default)]
struct Obedient {
    epoch: i32,
    owned: BTreeSet<(Uuid, i32)>,
    topics: Vec<&'static str>,
    pattern: bool,
    /// What it is told is to be asked for in full: something went wrong.
    must_say_all: bool,
}

struct Run {
    cluster: EmbeddedCluster,
    world: World,
    random: Random,
    members: BTreeMap<String, Obedient>,
    joined: usize,
    sizes: BTreeMap<&'static str, i32>,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let cluster = cluster().await;
        let world = World::embedded(&cluster).await;
        let (random, members) = (Random::new(seed), BTreeMap::new());
        Self { cluster, world, random, members, joined: 0, sizes: BTreeMap::from([("t", 4)]) }
    }

    fn one_of(&mut self) -> Option<String> {
        let count = u64::try_from(self.members.len()).unwrap();
        let index = usize::try_from(self.random.below(count)).unwrap();
        self.members.keys().nth(index).cloned()
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0 | 1 if self.members.len() < MOST_MEMBERS => {
                self.joined += 1;
                let mut member = Obedient { must_say_all: true, ..Obedient::default() };
                self.subscribe(&mut member);
                self.members.insert(format!("m{}", self.joined), member);
            }
            2 => self.change_topics().await,
            3 => {
                if let Some(id) = self.one_of() {
                    self.members.remove(&id);
                    // The goodbye may be lost; then its session ends.
                    if self.random.chance(500_000) {
                        self.world.send(&self.world.alive(&id, -1), 1).await;
                    }
                }
            }
            4 => {
                if let Some(id) = self.one_of() {
                    let mut member = self.members.remove(&id).unwrap();
                    self.subscribe(&mut member);
                    member.must_say_all = true;
                    self.members.insert(id, member);
                }
            }
            5 => rest(SESSION_MS / 3).await,
            6 if self.random.chance(200_000) => rest(SESSION_MS + 1).await,
            _ => {
                if let Some(id) = self.one_of() {
                    let is_lost = self.random.chance(150_000);
                    self.beat(&id, is_lost).await;
                }
            }
        }
        self.assert_nobody_shares();
    }

    fn subscribe(&mut self, member: &mut Obedient) {
        member.pattern = self.random.chance(200_000);
        member.topics = TOPICS.to_vec();
        if self.random.chance(500_000) {
            member.topics.retain(|_| self.random.chance(600_000));
        }
    }

    async fn change_topics(&mut self) {
        let topic = TOPICS[usize::try_from(self.random.below(3)).unwrap()];
        let name = self.world.topic(topic).to_string();
        match self.sizes.get(topic).copied() {
            None => {
                let size = 1 + i32::try_from(self.random.below(5)).unwrap();
                self.cluster.create_topic(&name, size, 1).unwrap();
                self.sizes.insert(topic, size);
            }
            Some(_) if self.random.chance(300_000) => {
                self.cluster.delete_topic(&name).unwrap();
                self.sizes.remove(topic);
            }
            Some(size) => {
                self.cluster.grow_topic(&name, size + 1).unwrap();
                self.sizes.insert(topic, size + 1);
            }
        }
    }

    async fn beat(&mut self, id: &str, is_lost: bool) {
        let member = &self.members[id];
        let request = self.request(id, member);
        let response = self.world.client.call(&request, 1).await;
        let member = self.members.get_mut(id).unwrap();
        if is_lost {
            member.must_say_all = true;
        } else {
            member.hear(&response);
        }
    }

    fn request(&self, id: &str, member: &Obedient) -> ConsumerGroupHeartbeatRequest {
        let mut owned: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in &member.owned {
            owned.entry(*topic).or_default().push(*partition);
        }
        let owned = owned.into_iter().map(|(topic, partitions)| {
            TopicPartitions::default().with_topic_id(topic).with_partitions(partitions)
        });
        let request =
            self.world.alive(id, member.epoch).with_topic_partitions(Some(owned.collect()));
        if !member.must_say_all {
            return request;
        }
        let (names, pattern) = if member.pattern {
            (Vec::new(), self.world.pattern("[tu]"))
        } else {
            (self.world.names(&member.topics), self.world.pattern("").filter(|_| false))
        };
        let none = Some(super::world::text(""));
        request
            .with_rebalance_timeout_ms(3_000)
            .with_subscribed_topic_names(Some(names))
            .with_subscribed_topic_regex(pattern.or(none))
    }

    /// Members that the coordinator knows have nothing in common.
    fn assert_nobody_shares(&self) {
        let Some(group) = self.cluster.consumer_group(&self.world.group) else { return };
        let known: BTreeSet<&str> = group.members.iter().map(|one| one.id.as_str()).collect();
        let mut owners = BTreeMap::new();
        for (id, member) in self.members.iter().filter(|(id, _)| known.contains(id.as_str())) {
            // One that was fenced and does not know it yet has come back under another epoch.
            for partition in &member.owned {
                if let Some(other) = owners.insert(*partition, id) {
                    panic!("{partition:?} is {id}'s and {other}'s: {group:#?}");
                }
            }
        }
    }

    /// Everybody beats in turn until nothing is left to do.
    async fn settle(&mut self) {
        // Old sessions end, and patterns are looked at again.
        for _ in 0..24 {
            let ids: Vec<String> = self.members.keys().cloned().collect();
            for id in ids {
                self.beat(&id, false).await;
            }
            rest(600).await;
        }
    }

    fn assert_settled(&self) {
        if self.members.is_empty() {
            return;
        }
        let group = self.cluster.consumer_group(&self.world.group).unwrap();
        assert_eq!(group.state, "Stable", "{group:#?}");
        assert_eq!(group.members.len(), self.members.len());
        let mut owned: BTreeMap<(Uuid, i32), &String> = BTreeMap::new();
        for (id, member) in &self.members {
            owned.extend(member.owned.iter().map(|one| (*one, id)));
        }
        let wanted = self.sizes.iter().filter(|(topic, _)| {
            self.members.values().any(|member| {
                if member.pattern { **topic != "v" } else { member.topics.contains(topic) }
            })
        });
        let count: i32 = wanted.map(|(_, size)| *size).sum();
        assert_eq!(owned.len(), usize::try_from(count).unwrap(), "{:#?} {group:#?}", self.members);
        for member in &group.members {
            let of = &self.members[&member.id];
            assert_eq!((of.epoch, of.owned.len()), (member.epoch, member.assignment.len()));
        }
    }
}

impl Obedient {
    fn hear(&mut self, response: &ConsumerGroupHeartbeatResponse) {
        match error(response.error_code).as_str() {
            "ok" => {
                self.epoch = response.member_epoch;
                self.must_say_all = false;
                let Some(assignment) = &response.assignment else { return };
                let topics = assignment.topic_partitions.iter();
                self.owned = topics
                    .flat_map(|topic| topic.partitions.iter().map(|one| (topic.topic_id, *one)))
                    .collect();
            }
            "FencedMemberEpoch" | "UnknownMemberId" | "GroupIdNotFound" => {
                self.epoch = 0;
                self.owned.clear();
                self.must_say_all = true;
            }
            "GroupMaxSizeReached" => self.must_say_all = true,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_partition_is_anybodys_twice_and_all_are_somebodys_in_the_end() {
    for seed in 0..SEEDS {
        let mut run = Run::new(seed).await;
        println!("seed {seed}");
        for _ in 0..STEPS {
            run.step().await;
        }
        run.settle().await;
        run.assert_settled();
    }
}
