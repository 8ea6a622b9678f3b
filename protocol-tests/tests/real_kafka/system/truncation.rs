//! An unclean election cuts the log behind a reader (KIP-320).

use std::collections::BTreeSet;
use std::time::Duration;

use kavka::TopicPartition;
use kavka::admin::{Election, NewOffset};
use tokio::time::sleep;

use super::group::{Group, Protocol, Setup, first, until_true};
use super::producer::Producer;
use super::{Bench, Shutdown, on};
use crate::support::sized;

/// Slow, so that what is cut is little and told record by record.
const THROUGHPUT: u32 = 20;

/// How long nothing must come for all to be read that can be.
const QUIET: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn test_offset_truncate() {
    if sized(true, false) {
        return;
    }
    let test = async |bench: &Bench| {
        for protocol in bench.protocols() {
            truncate(bench, protocol).await;
        }
    };
    on(3, |config| config, &test).await;
}

async fn truncate(bench: &Bench, protocol: Protocol) {
    let topic = bench.topic_with(1, 2).await;
    let producer = Producer::start(bench, &topic, THROUGHPUT).await;
    let setup = Setup { more: &["--verbose"], ..Setup::new(protocol) };
    let mut group = Group::new(bench, &topic, setup.clone()).await;
    group.allow_cuts();
    group.start([1]);
    group.until_stable(1).await;
    // One who would be told rather than moved.
    let wary = Setup { more: &["--reset-policy", "none"], ..setup.clone() };
    let mut wary = Group::named(bench, &topic, &format!("{topic}-wary"), wary).await;
    wary.allow_cuts();
    copy_offsets(bench, &group.id, &wary.id, &topic).await;
    wary.start([1]);
    wary.until_stable(1).await;
    wary.until_consumed(10).await;

    let in_sync = bench
        .until_described("both replicas are in sync", &topic, |all| all[0].1.len() == 2)
        .await
        .remove(0);
    let (Some(last), both) = in_sync else { panic!("{topic} has no leader") };
    let behind = both.into_iter().find(|node| *node != last).unwrap();
    bench.cluster.stop(behind).await.unwrap();
    bench.until_described("one is left in sync", &topic, |all| all[0].1 == [last]).await;
    group.until_consumed(20).await;
    wary.until_consumed(20).await;
    bench.cluster.stop(last).await.unwrap();
    let reached = until_quiet(&group).await;
    until_quiet(&wary).await;

    bench.cluster.restart(behind).await.unwrap();
    let partition = TopicPartition::new(topic.as_str(), 0);
    until_true("the one that was behind leads", async || {
        let admin = bench.client.admin();
        drop(admin.elect_leaders(Election::Unclean, [partition.clone()]).await);
        let described = admin.describe_topics([topic.as_str()]).await;
        described.into_values().next().is_some_and(|described| {
            described.is_ok_and(|topic| {
                topic.partitions[0].leader.is_some_and(|leader| leader.0 == i32::from(behind))
            })
        })
    })
    .await;
    bench.cluster.restart(last).await.unwrap();
    group
        .until("the reader goes back", |books| {
            books.cuts.as_ref().is_some_and(|cuts| !cuts.is_empty())
        })
        .await;
    group.until("and on", |books| books.positions[&first(&topic)] > reached).await;
    wary.until_refused(1, "was cut").await;
    group.finish(producer).await;
    verify(bench, &group, &topic, setup).await;
}

/// The reader went back once, to where the logs part; it read all of the new log, and nothing
/// twice.
async fn verify(bench: &Bench, group: &Group<'_>, topic: &str, setup: Setup) {
    let (cuts, values, consumed) = group.ask(|books| {
        (books.cuts.clone().unwrap_or_default(), books.values.clone(), books.consumed)
    });
    assert_eq!(cuts.len(), 1, "the log was cut once: {cuts:?}");
    let seen: BTreeSet<_> = values.iter().collect();
    assert_eq!(seen.len(), values.len(), "a record was read twice");

    let mut second = Group::named(bench, topic, &format!("{topic}-second"), setup).await;
    second.start([1]);
    let end = group.ask(|books| books.positions[&first(topic)]);
    second
        .until("the log is read again", |books| books.positions.get(&first(topic)) == Some(&end))
        .await;
    second.stop_all().await;
    second.verify(Shutdown::Clean).await;
    second.ask(|books| {
        let left_out: Vec<_> = books.values.iter().filter(|value| !seen.contains(value)).collect();
        assert!(left_out.is_empty(), "the first reader left out {left_out:?}");
        let cut = cuts[0].from - cuts[0].to;
        assert_eq!(consumed - books.consumed, cut, "as many were cut as it went back");
    });
}

/// Waits until nothing has come for a while; where the reader is then.
async fn until_quiet(group: &Group<'_>) -> i64 {
    let position = || group.ask(|books| books.position());
    let mut last = position();
    until_true("no record comes", async || {
        sleep(QUIET).await;
        let before = std::mem::replace(&mut last, position());
        before == last
    })
    .await;
    last
}

async fn copy_offsets(bench: &Bench, from: &str, to: &str, topic: &str) {
    let partition = first(topic);
    until_true("something is committed", async || {
        let admin = bench.client.admin();
        let mut listed = admin.list_group_offsets([from]).await;
        let Some((_, Ok(mut offsets))) = listed.pop_first() else { return false };
        let Some(Ok(committed)) = offsets.remove(&partition) else { return false };
        let offset = NewOffset::new(committed.offset);
        let altered = admin.alter_group_offsets(to, [(partition.clone(), offset)]).await;
        altered.into_values().all(|altered| altered.is_ok())
    })
    .await;
}
