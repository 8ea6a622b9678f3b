//! Random members, leaders that move and brokers that die: what was done with is not delivered
//! again, what was not is, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::super::client::{Client, one_broker};
use super::world::{ACCEPT, REJECT, RELEASE, World, error, rest};
use super::{embedded, start};
use crate::embedded::clock::Random;
use crate::embedded::{EmbeddedCluster, ShareRecordState};

const RUNS: u64 = 60;
const STEPS: usize = 120;
const MEMBERS: [&str; 3] = ["a", "b", "c"];
/// `group.share.delivery.count.limit`.
const MOST: i16 = 5;

struct Run {
    cluster: EmbeddedCluster,
    world: World,
    random: Random,
    /// By member and broker.
    clients: BTreeMap<(&'static str, i32), (Client, i32)>,
    /// What each member was given last and has said nothing of.
    held: BTreeMap<&'static str, BTreeSet<i64>>,
    /// Accepted or rejected, and that was confirmed.
    done: BTreeSet<i64>,
    /// How often each was delivered, as replies said.
    counts: BTreeMap<i64, i16>,
    end: i64,
}

impl Run {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn leader(&self) -> Option<i32> {
        self.cluster.leader("t", 0).filter(|id| self.cluster.running_brokers().contains(id))
    }

    /// The member's client of the leader, and its epoch there.
    fn client(&mut self, member: &'static str) -> Option<(i32, Client, i32)> {
        let broker = self.leader()?;
        let known = self.clients.remove(&(member, broker));
        let (client, epoch) = known.unwrap_or_else(|| (Client::to(&self.cluster, broker), 0));
        Some((broker, client, epoch))
    }

    async fn fetch(&mut self, member: &'static str) {
        let Some((broker, mut client, epoch)) = self.client(member) else { return };
        let mut fetch = self.world.fetch(member, epoch);
        fetch.request.max_wait_ms = 10;
        fetch.request.max_records = [1, 3, 500][self.below(3)];
        fetch.acquire_mode = i8::from(self.below(3) == 0);
        client.send(&fetch, 2).await;
        // A connection that was cut is left, and the session with it.
        let Some(reply) =
            client.receive::<crate::embedded::api::newer::share_fetch::ShareFetch>(2).await
        else {
            return;
        };
        if reply.error_code != 0 {
            return drop(self.clients.insert((member, broker), (client, 0)));
        }
        self.clients.insert((member, broker), (client, epoch + 1));
        for one in reply.responses.iter().flat_map(|topic| &topic.partitions) {
            for range in &one.acquired_records {
                for offset in range.first_offset..=range.last_offset {
                    assert!(!self.done.contains(&offset), "{offset} was done with");
                    assert!(range.delivery_count <= MOST, "{offset} came too often");
                    assert!(offset < self.end, "{offset} was never written");
                    self.held.entry(member).or_default().insert(offset);
                    self.counts.insert(offset, range.delivery_count);
                }
            }
        }
    }

    async fn say(&mut self, member: &'static str, words: &[i8]) {
        let held: Vec<i64> = self.held.get(member).into_iter().flatten().copied().collect();
        let Some((broker, mut client, epoch)) = self.client(member) else { return };
        if epoch == 0 || held.is_empty() {
            return drop(self.clients.insert((member, broker), (client, epoch)));
        }
        let first = held[self.below(held.len())];
        let run = held.iter().filter(|offset| **offset >= first);
        let last = run
            .enumerate()
            .take_while(|(at, offset)| **offset == first + i64::try_from(*at).unwrap());
        let last = *last.last().unwrap().1;
        let word = words[self.below(words.len())];
        let request = self.world.acknowledge(member, epoch, &[(first, last, &[word])]);
        client.send(&request, 2).await;
        let Some(reply) = client
            .receive::<crate::embedded::api::newer::share_acknowledge::ShareAcknowledge>(2)
            .await
        else {
            return;
        };
        let reply = reply.response;
        if reply.error_code != 0 {
            return drop(self.clients.insert((member, broker), (client, 0)));
        }
        self.clients.insert((member, broker), (client, epoch + 1));
        let told = error(reply.responses[0].partitions[0].error_code);
        let said: BTreeSet<i64> = (first..=last).collect();
        self.held.entry(member).or_default().retain(|offset| !said.contains(offset));
        match told.as_str() {
            "ok" if word != RELEASE => self.done.extend(said),
            // The lock had ended, or the leader is another.
            "ok" | "InvalidRecordState" | "UnknownTopicOrPartition" | "InvalidRequest" => {}
            other => panic!("{other} for {first}-{last}"),
        }
    }

    async fn step(&mut self) {
        let member = MEMBERS[self.below(3)];
        match self.below(24) {
            0..=9 => self.fetch(member).await,
            10..=15 => self.say(member, &[ACCEPT, ACCEPT, RELEASE, REJECT]).await,
            16 | 17 => {
                let count = 1 + self.below(4);
                for _ in 0..count {
                    self.cluster.append("t", 0, &[(None, Some(b"v")), (None, Some(b"w"))]);
                    self.end += 2;
                }
            }
            18 => self.cluster.move_leader("t", 0, None),
            19 if self.cluster.running_brokers().len() > 1 => {
                let broker = 1 + i32::try_from(self.below(2)).unwrap();
                self.cluster.kill_broker(broker);
                self.clients.retain(|(_, at), _| *at != broker);
            }
            20 => {
                for broker in [1, 2] {
                    self.cluster.start_broker(broker).await.unwrap();
                }
            }
            21 => {
                if let Some((_, client, _)) = self.client(member) {
                    drop(client);
                }
            }
            _ => rest([50, 700][self.below(2)]).await,
        }
    }

    /// Whether all is done with. The start may stay before records that a former leader has done
    /// with, as in Kafka, until there are new ones.
    fn is_drained(&self) -> bool {
        let known = self.cluster.share_partition(&self.world.group, "t", 0);
        known.is_some_and(|known| {
            let count = i64::try_from(known.records.len()).unwrap();
            let is_final = |state| {
                matches!(state, ShareRecordState::Acknowledged | ShareRecordState::Archived)
            };
            known.start + count == self.end && known.records.iter().all(|one| is_final(one.state))
        })
    }

    /// Does with everything what is left to be done.
    async fn drain(&mut self) {
        for broker in [1, 2] {
            self.cluster.start_broker(broker).await.unwrap();
        }
        for _ in 0..400 {
            self.fetch("a").await;
            if self.held.get("a").is_none_or(BTreeSet::is_empty) {
                rest(2100).await;
            }
            while self.held.get("a").is_some_and(|held| !held.is_empty()) {
                let before = self.held["a"].len();
                self.say("a", &[ACCEPT]).await;
                if self.held["a"].len() == before {
                    break;
                }
            }
            if self.is_drained() {
                return;
            }
        }
        panic!("records are left: {:?}", self.cluster.share_partition(&self.world.group, "t", 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_and_nothing_comes_again_that_was_done_with() {
    for seed in 0..RUNS {
        let cluster = start(one_broker().brokers(2).seed(seed)).await;
        let mut world = embedded(&cluster).await;
        cluster.move_leader("t", 0, Some(2));
        cluster.move_leader("t", 0, Some(1));
        world.settle("a").await;
        let mut run = Run {
            cluster,
            world,
            random: Random::new(seed),
            clients: BTreeMap::new(),
            held: BTreeMap::new(),
            done: BTreeSet::new(),
            counts: BTreeMap::new(),
            end: 0,
        };
        for _ in 0..STEPS {
            run.step().await;
        }
        run.drain().await;
        let lost = (0..run.end).filter(|offset| !run.done.contains(offset));
        let lost: Vec<_> =
            lost.filter(|at| run.counts.get(at).is_none_or(|count| *count < MOST)).collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?} are lost");
    }
}
