//! Share groups (KIP-932): what their members were told is done comes no more, and all else comes
//! again, whoever is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::admin::{ConfigAlteration, ConfigResource};
use kavka::{
    Acknowledgement, Client, ErrorKind, ShareAcknowledgementMode, ShareBatch, ShareConsumer,
    ShareConsumerConfig,
};
use kavka_testcontainers::apache::Cluster;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{Dice, PATIENCE, client, config, in_time, produce, sized};

const TOPIC: &str = "shares";
const GROUP: &str = "workers";
const PARTITIONS: i32 = 3;
/// How often a group delivers a record: `group.share.delivery.count.limit`.
const DELIVERIES: u16 = 5;

/// A record, by partition and offset.
type Place = (i32, i64);

/// What the members know together.
#[derive(Debug, Default)]
struct Entries {
    /// The most deliveries that were counted of each record.
    delivered: BTreeMap<Place, u16>,
    confirmed: BTreeSet<Place>,
    rejected: BTreeSet<Place>,
    /// Whose answer was lost, or that a member had sent that vanished: the broker may have taken
    /// them.
    maybe: BTreeSet<Place>,
    /// All of these.
    settled: BTreeSet<Place>,
    /// Those that were delivered as often as the group does it.
    spent: BTreeSet<Place>,
    /// What the last acknowledgement that failed said.
    failed: BTreeMap<Place, String>,
    wrong: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Ledger(Arc<Mutex<Entries>>);

impl Ledger {
    fn take(&self, member: usize, batch: &ShareBatch) {
        let mut entries = self.0.lock().unwrap();
        for record in batch {
            let place = (record.partition().0, record.offset().0);
            let count = record.delivery_count();
            let is_done = entries.confirmed.contains(&place) || entries.rejected.contains(&place);
            if is_done || !(1..=DELIVERIES).contains(&count) {
                entries.wrong.push(format!("{member} got {place:?} for the {count}. time"));
            }
            entries.delivered.insert(place, count);
            if count >= DELIVERIES {
                entries.spent.insert(place);
            }
        }
    }

    fn check(&self, count: u64, took: Duration) {
        let entries = self.0.lock().unwrap();
        let (rejected, maybe) = (entries.rejected.len(), entries.maybe.len());
        eprintln!(
            "{count} records in {took:?}: {rejected} rejected, {maybe} acknowledged without an answer"
        );
        assert_eq!(entries.wrong, [""; 0]);
    }

    /// What is missing.
    fn rest(&self, count: u64) -> String {
        let entries = self.0.lock().unwrap();
        let mut open: BTreeMap<(i32, u16, Option<&String>), Vec<i64>> = BTreeMap::new();
        for (place, deliveries) in
            entries.delivered.iter().filter(|(place, _)| !entries.settled.contains(place))
        {
            let key = (place.0, *deliveries, entries.failed.get(place));
            open.entry(key).or_default().push(place.1);
        }
        let open = open.iter().map(|(key, all)| (key, all.len(), all.first(), all.last()));
        format!(
            "{} confirmed, {} rejected, {} delivered of {count}; by (partition, deliveries, failure): {:?}",
            entries.confirmed.len(),
            entries.rejected.len(),
            entries.delivered.len(),
            open.collect::<Vec<_>>()
        )
    }

    /// Whether each record is settled, or was delivered for the last time.
    fn is_complete(&self, count: u64) -> bool {
        let entries = self.0.lock().unwrap();
        let spent = entries.spent.difference(&entries.settled).count();
        (entries.settled.len() + spent) as u64 >= count
    }
}

async fn group(client: &Client, settings: &[(&str, &str)]) {
    let alterations = settings
        .iter()
        .map(|(name, value)| ConfigAlteration::Set {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        })
        .collect();
    let outcomes =
        client.admin().alter_configs([(ConfigResource::group(GROUP), alterations)]).await;
    outcomes.into_values().for_each(|outcome| outcome.unwrap());
}

fn member(client: &Client) -> ShareConsumer {
    let config = ShareConsumerConfig::new(GROUP)
        .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit);
    let consumer = client.share_consumer(config).unwrap();
    consumer.subscribe([TOPIC]).unwrap();
    consumer
}

/// Takes records until all are done; each tenth is released the first time, one in fifty rejected. It
/// is replaced from time to time without a goodbye.
async fn work(number: usize, client: Client, ledger: Ledger, mut over: watch::Receiver<bool>) {
    let mut dice = Dice::of(number as u64);
    let mut consumer = member(&client);
    let mut answers = JoinSet::new();
    while !*over.borrow() {
        let batch = tokio::select! {
            batch = consumer.next_batch() => batch,
            _ = over.changed() => continue,
        };
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => panic!("{number}: {error}"),
        };
        ledger.take(number, &batch);
        let vanishes = dice.below(40) == 0;
        for record in batch {
            let place = (record.partition().0, record.offset().0);
            let is_first = record.delivery_count() == 1;
            if is_first && dice.below(10) == 0 {
                record.release();
            } else if dice.below(50) == 0 {
                answers.spawn(hear(ledger.clone(), place, true, record.reject()));
            } else if !vanishes {
                answers.spawn(hear(ledger.clone(), place, false, record.accept()));
            }
        }
        if vanishes {
            consumer = member(&client);
        }
        while answers.try_join_next().is_some() {}
    }
    consumer.close(PATIENCE).await.unwrap();
    while answers.join_next().await.is_some() {}
}

/// Notes what became of an acknowledgement.
async fn hear(ledger: Ledger, place: Place, is_rejected: bool, outcome: Acknowledgement) {
    let outcome = outcome.await;
    let mut entries = ledger.0.lock().unwrap();
    let is_settled = match outcome {
        Ok(()) if is_rejected => entries.rejected.insert(place),
        Ok(()) => entries.confirmed.insert(place),
        Err(error) if error.is_retriable() || error.kind() == ErrorKind::Closed => {
            entries.maybe.insert(place)
        }
        Err(error) => {
            // It comes again.
            entries.failed.insert(place, error.to_string());
            false
        }
    };
    if is_settled {
        entries.settled.insert(place);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_comes_no_more_and_nothing_is_lost() {
    let cluster = Cluster::start(config().nodes(3)).await.unwrap();
    cluster.create_topic(TOPIC, PARTITIONS.unsigned_abs(), 3, &[]).await.unwrap();
    let client = client(&cluster);
    group(
        &client,
        &[("share.auto.offset.reset", "earliest"), ("share.record.lock.duration.ms", "15000")],
    )
    .await;
    let count = sized(20_000, 1_000_000);
    produce(&client, TOPIC, PARTITIONS, 0..count).await;
    let ledger = Ledger::default();
    let (over, is_over) = watch::channel(false);
    let mut members = JoinSet::new();
    for number in 0..8 {
        members.spawn(work(number, client.clone(), ledger.clone(), is_over.clone()));
    }
    let began = Instant::now();
    for node in 1..=3 {
        sleep(Duration::from_secs(sized(2, 10))).await;
        cluster.kill(node).await.unwrap();
        sleep(Duration::from_secs(sized(1, 5))).await;
        cluster.restart(node).await.unwrap();
    }
    cluster.pause(1).await.unwrap();
    sleep(Duration::from_secs(sized(1, 10))).await;
    cluster.resume(1).await.unwrap();
    let limit = began + Duration::from_secs(sized(100, 1_800));
    while !ledger.is_complete(count) {
        assert!(Instant::now() < limit, "{}", ledger.rest(count));
        sleep(Duration::from_millis(200)).await;
    }
    over.send_replace(true);
    while let Some(ended) = in_time("a member", members.join_next()).await {
        ended.unwrap();
    }
    ledger.check(count, began.elapsed());
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_java_and_of_ours_share_each_record_once() {
    let cluster = Cluster::start(config()).await.unwrap();
    cluster.create_topic(TOPIC, PARTITIONS.unsigned_abs(), 1, &[]).await.unwrap();
    let client = client(&cluster);
    group(&client, &[("share.auto.offset.reset", "earliest")]).await;
    let mut java = cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleShareConsumer")
        .args(["--bootstrap-server", &cluster.bootstrap(), "--topic", TOPIC, "--group", GROUP])
        .spawn()
        .unwrap();
    let of_java = || -> BTreeSet<u64> {
        java.stdout().unwrap().lines().filter_map(|line| line.parse().ok()).collect()
    };
    let count = sized(10_000_u64, 200_000);
    let mut written = 0;
    let limit = Instant::now() + PATIENCE;
    // It takes long to start.
    while of_java().is_empty() {
        assert!(Instant::now() < limit, "nothing came to Java's");
        produce(&client, TOPIC, PARTITIONS, written..written + 10).await;
        written += 10;
        sleep(Duration::from_millis(500)).await;
    }
    let mut ours = member(&client);
    let mut seen = BTreeSet::new();
    // In pieces, so that both have some.
    while written < count || ((seen.len() + of_java().len()) as u64) < written {
        assert!(Instant::now() < limit, "{} of ours, {} of Java's", seen.len(), of_java().len());
        if written < count {
            produce(&client, TOPIC, PARTITIONS, written..written + count / 10).await;
            written += count / 10;
        }
        while let Ok(batch) =
            tokio::time::timeout(Duration::from_millis(500), ours.next_batch()).await
        {
            for record in batch.unwrap() {
                let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                assert!(seen.insert(value.parse::<u64>().unwrap()), "{value} came twice");
                record.accept();
            }
        }
        ours.commit().await.unwrap();
        assert!(seen.is_disjoint(&of_java()), "a record went to both");
    }
    assert!(!seen.is_empty(), "all were Java's");
    java.kill().await.unwrap();
    ours.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_lock_holds_and_what_nobody_can_process_ends() {
    let cluster = Cluster::start(config()).await.unwrap();
    cluster.create_topic(TOPIC, 1, 1, &[]).await.unwrap();
    let client = client(&cluster);
    let lock = Duration::from_secs(15);
    group(
        &client,
        &[("share.auto.offset.reset", "earliest"), ("share.record.lock.duration.ms", "15000")],
    )
    .await;
    produce(&client, TOPIC, 1, 0..2).await;
    let mut ours = member(&client);
    let kept = in_time("a record", ours.recv()).await.unwrap();
    assert_eq!((kept.offset().0, ours.acquisition_lock_timeout()), (0, Some(lock)));
    let mut counts = Vec::new();
    let began = Instant::now();
    let mut renewed = began;
    // The other one is released until the group gives it up.
    while began.elapsed() < lock * sized(1, 3) + Duration::from_secs(4) {
        if renewed.elapsed() > lock / 2 {
            kept.renew().await.unwrap();
            renewed = Instant::now();
        }
        let Ok(record) = tokio::time::timeout(Duration::from_millis(500), ours.recv()).await else {
            continue;
        };
        let record = record.unwrap();
        counts.push((record.offset().0, record.delivery_count()));
        record.release().await.unwrap();
    }
    assert_eq!(counts, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
    assert!(kept.lock_time_left().is_some());
    kept.accept().await.unwrap();
    ours.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}
