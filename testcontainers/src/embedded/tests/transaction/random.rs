//! Rivals for one transactional id under trouble by seed: what was committed is there, and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::super::client::one_broker;
use super::world::{Answer, NOBODY, Producer, World, batch_of, rest};
use crate::embedded::clock::Random;
use crate::embedded::{EmbeddedCluster, Fate, TransactionState};

const SEEDS: u64 = 200;
const STEPS: u64 = 150;
const PARTITIONS: i32 = 2;

/// One of the rivals, which keeps to the rules as a client does.
#[derive(Default)]
struct Rival {
    me: Option<Producer>,
    /// The next sequence of each partition.
    sequences: BTreeMap<i32, i32>,
    transaction: Option<Open>,
    /// Its last transaction was of the old protocol.
    was_old: bool,
}

impl Rival {
    fn new(me: Producer) -> Self {
        Self { me: Some(me), ..Self::default() }
    }
}

/// A transaction that a rival has begun.
#[derive(Default)]
struct Open {
    is_new: bool,
    /// What it has written: each value is unique.
    written: Vec<String>,
    offset: Option<i64>,
    is_empty: bool,
}

/// What the ends of transactions were answered.
#[derive(Default)]
struct Truth {
    committed: BTreeSet<String>,
    aborted: BTreeSet<String>,
    /// Nobody knows: the rival was fenced or gave up before an answer.
    undecided: BTreeSet<String>,
    offsets: BTreeSet<i64>,
    next: i64,
}

struct Game {
    cluster: EmbeddedCluster,
    random: Random,
    worlds: BTreeMap<i32, World>,
    truth: Truth,
}

impl Game {
    async fn new(seed: u64) -> Self {
        let cluster = one_broker().brokers(3).seed(seed).start().await.unwrap();
        let mut random = Random::new(seed);
        cluster.set_transaction_version(i16::try_from(1 + random.below(2)).unwrap());
        cluster.set_marker_delay(Duration::ZERO..=Duration::from_millis(random.below(200)));
        let first = World::embedded(&cluster).await;
        let worlds = (1..=3).map(|broker| (broker, World::at(&cluster, broker, &first))).collect();
        Self { cluster, random, worlds, truth: Truth::default() }
    }

    fn coordinator(&mut self) -> &mut World {
        let broker = self.cluster.transaction_coordinator("x").unwrap();
        self.worlds.get_mut(&broker).unwrap()
    }

    fn leader(&mut self, partition: i32) -> &mut World {
        let broker = self.cluster.leader("topic", partition).unwrap();
        self.worlds.get_mut(&broker).unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.chance(percent * 10_000)
    }

    /// Something goes wrong, or is set right.
    async fn trouble(&mut self) {
        let partition = i32::try_from(self.random.below(2)).unwrap();
        match self.random.below(8) {
            0 => self.cluster.move_transaction_coordinator("x", None),
            1 => self.cluster.move_leader("topic", partition, None),
            2 => drop(self.cluster.time_out_transaction("x")),
            3 => self.cluster.load_transaction_coordinator("x", Duration::from_millis(50)),
            4 => self.cluster.hold_markers("topic", partition, true),
            5 => self.cluster.hold_markers("topic", partition, false),
            6 => self
                .cluster
                .set_transaction_version(i16::try_from(1 + self.random.below(2)).unwrap()),
            _ => rest(self.random.below(300)).await,
        }
    }

    async fn step(&mut self, rival: &mut Rival) {
        let Some(me) = rival.me else {
            if let Ok(me) = self.coordinator().init(4, (-1, -1)).await {
                *rival = Rival::new(me);
            }
            return;
        };
        if rival.transaction.is_none() {
            let is_new = self.chance(50);
            if is_new && rival.was_old {
                // The new protocol begins with an epoch of its own; without it, see `markers`.
                match self.coordinator().init(4, me).await {
                    Ok(next) => *rival = Rival::new(next),
                    Err(error) => self.judge(rival, error),
                }
                return;
            }
            rival.was_old = !is_new;
            rival.transaction = Some(Open { is_new, is_empty: true, ..Open::default() });
        }
        let done = match self.random.below(5) {
            0..=2 => self.write(rival, me).await,
            3 => self.commit_offset(rival, me).await,
            _ => self.end(rival, me).await,
        };
        if let Err(error) = done {
            self.judge(rival, error);
        }
    }

    async fn write(&mut self, rival: &mut Rival, me: Producer) -> Answer<()> {
        let Some(open) = &mut rival.transaction else { return Ok(()) };
        let partition = i32::try_from(self.random.below(PARTITIONS.unsigned_abs().into())).unwrap();
        if !open.is_new {
            self.coordinator().add(3, me, &[partition]).await.remove(0)?;
            open.is_empty = false;
        }
        let sequence = rival.sequences.entry(partition).or_insert(0);
        self.truth.next += 1;
        let value = format!("{}", self.truth.next);
        let version = if open.is_new { 12 } else { 11 };
        let batch = batch_of(me, *sequence, &value);
        self.leader(partition).produce_batch(version, batch, partition).await?;
        *sequence += 1;
        open.is_empty = false;
        open.written.push(value);
        Ok(())
    }

    async fn commit_offset(&mut self, rival: &mut Rival, me: Producer) -> Answer<()> {
        let Some(open) = &mut rival.transaction else { return Ok(()) };
        if !open.is_new {
            self.coordinator().add_offsets(me).await?;
            open.is_empty = false;
        }
        self.truth.next += 1;
        let (offset, version) = (self.truth.next, if open.is_new { 5 } else { 3 });
        let broker = self.cluster.group_coordinator("group").unwrap();
        self.worlds.get_mut(&broker).unwrap().commit_offset(version, me, offset, NOBODY).await?;
        open.is_empty = false;
        open.offset = Some(offset);
        Ok(())
    }

    async fn end(&mut self, rival: &mut Rival, me: Producer) -> Answer<()> {
        let Some(open) = &rival.transaction else { return Ok(()) };
        let committed = self.chance(60);
        if open.is_empty && (committed || !open.is_new) {
            return Ok(());
        }
        let is_new = open.is_new;
        let again = self.chance(30);
        let mut next = self.coordinator().end(if is_new { 5 } else { 4 }, me, committed).await?;
        if again {
            // The reply was lost: the same is asked once more, and the answer is the same.
            match self.coordinator().end(if is_new { 5 } else { 4 }, me, committed).await {
                Ok(same) => next = same,
                Err(
                    ResponseError::ConcurrentTransactions
                    | ResponseError::CoordinatorLoadInProgress,
                ) => {}
                Err(error) => panic!("an end that had happened: {error:?}"),
            }
        }
        let open = rival.transaction.take().unwrap_or_default();
        if committed {
            self.truth.offsets.extend(open.offset);
            self.truth.committed.extend(open.written);
        } else {
            self.truth.aborted.extend(open.written);
        }
        if is_new {
            rival.me = Some(next);
            rival.sequences.clear();
        }
        Ok(())
    }

    /// Retries later, or gives up and begins anew.
    fn judge(&mut self, rival: &mut Rival, error: ResponseError) {
        let retriable = matches!(
            error,
            ResponseError::ConcurrentTransactions
                | ResponseError::NotEnoughReplicas
                | ResponseError::NotCoordinator
                | ResponseError::CoordinatorLoadInProgress
                | ResponseError::NotLeaderOrFollower
        );
        if !retriable {
            let open = rival.transaction.take().unwrap_or_default();
            self.truth.undecided.extend(open.written);
            rival.me = None;
        }
    }

    /// Lets everything come to rest, and compares what is there with what was answered.
    async fn settle(mut self, rivals: Vec<Rival>, seed: u64) {
        for rival in rivals {
            self.truth.undecided.extend(rival.transaction.unwrap_or_default().written);
        }
        for partition in 0..PARTITIONS {
            self.cluster.hold_markers("topic", partition, false);
        }
        self.cluster.time_out_transaction("x");
        rest(1_000).await;
        let state = self.cluster.transaction("x").unwrap().state;
        assert!(
            matches!(
                state,
                TransactionState::Empty
                    | TransactionState::CompleteCommit
                    | TransactionState::CompleteAbort
            ),
            "seed {seed}: {state:?}"
        );
        let mut found = BTreeSet::new();
        for partition in 0..PARTITIONS {
            assert_eq!(
                self.cluster.last_stable_offset("topic", partition),
                self.cluster.offsets("topic", partition).map(|one| one.1)
            );
            for (stored, fate) in self.cluster.fates("topic", partition) {
                if matches!(fate, Fate::Marker { .. }) {
                    continue;
                }
                let value = String::from_utf8(stored.records().unwrap()[0].value.unwrap().to_vec())
                    .unwrap();
                let expected = if self.truth.committed.contains(&value) {
                    Fate::Committed
                } else {
                    Fate::Aborted
                };
                assert_eq!(fate, expected, "seed {seed}: record {value}");
                assert!(found.insert(value.clone()), "seed {seed}: record {value} is there twice");
            }
        }
        assert!(
            self.truth.committed.is_subset(&found),
            "seed {seed}: a record that was committed is not there"
        );
        let told: BTreeSet<i64> =
            self.cluster.commits_after(0).into_iter().map(|one| one.offset).collect();
        assert!(
            told.is_subset(&self.truth.offsets),
            "seed {seed}: offsets of a transaction that was not committed"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_there_and_nothing_else() {
    let (mut committed, mut aborted, mut undecided) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut game = Game::new(seed).await;
        let mut rivals = vec![Rival::default(), Rival::default()];
        for _ in 0..STEPS {
            if game.chance(12) {
                game.trouble().await;
            }
            // The second comes seldom, and fences the first.
            let which = usize::from(game.chance(8));
            game.step(&mut rivals[which]).await;
            rest(game.random.below(15)).await;
        }
        committed += game.truth.committed.len();
        aborted += game.truth.aborted.len();
        undecided += game.truth.undecided.len();
        game.settle(rivals, seed).await;
    }
    assert!(
        committed > 1_000 && aborted > 500 && undecided > 100,
        "{committed} {aborted} {undecided}"
    );
}
