//! Who gets what: each strategy, and a change from one to another.

use std::collections::BTreeSet;

use super::group::{COOPERATIVE_STICKY, Group, Protocol, RANGE, ROUND_ROBIN, STICKY, Setup};
use super::producer::Producer;
use super::{Bench, Bounce, Shutdown, on_each};
use crate::support::sized;

#[tokio::test(flavor = "multi_thread")]
async fn test_valid_assignment() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        let mut protocols = vec![
            Protocol::Classic(&[RANGE]),
            Protocol::Classic(&[ROUND_ROBIN]),
            Protocol::Classic(&[STICKY]),
            Protocol::Classic(&[COOPERATIVE_STICKY]),
        ];
        if bench.has_consumer_protocol() {
            protocols.extend([Protocol::Consumer("range"), Protocol::Consumer("uniform")]);
        }
        for protocol in protocols {
            let topic = bench.topic_with(6, 1).await;
            let mut group = Group::new(bench, &topic, Setup::new(protocol)).await;
            for started in 1..=3 {
                group.start([started]);
                let described = group.until_stable(started).await;
                let sizes: Vec<_> =
                    described.members.iter().map(|member| member.assignment.len()).collect();
                assert_eq!(sizes, vec![6 / started; started], "six partitions are shared evenly");
            }
            group.stop_all().await;
        }
    })
    .await;
}

/// From `range` to `roundrobin`, by members that know both for a while.
#[tokio::test(flavor = "multi_thread")]
async fn rolling_update_test() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        let topic = bench.topic_with(4, 1).await;
        let range = BTreeSet::from([vec![0, 1], vec![2, 3]]);
        let round_robin = BTreeSet::from([vec![0, 2], vec![1, 3]]);
        let mut group = Group::new(bench, &topic, Setup::new(Protocol::RANGE)).await;
        group.start([1, 2]);
        group.until_stable(2).await;
        assert_eq!(shares(&group), range);
        group.setup.protocol = Protocol::Classic(&[ROUND_ROBIN, RANGE]);
        for (slot, expected) in [(1, &range), (2, &round_robin)] {
            restart(&mut group, slot).await;
            assert_eq!(shares(&group), *expected, "after {slot} knows both");
        }
        group.setup.protocol = Protocol::Classic(&[ROUND_ROBIN]);
        for slot in [1, 2] {
            restart(&mut group, slot).await;
            assert_eq!(shares(&group), round_robin);
        }
        group.stop_all().await;
    })
    .await;
}

/// From an eager strategy to the cooperative one in two rolling restarts (KIP-429): nothing is read
/// twice or left out on the way.
#[tokio::test(flavor = "multi_thread")]
async fn rolling_update_from_eager_to_cooperative_test() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| eager_to_cooperative(bench).await).await;
}

async fn eager_to_cooperative(bench: &Bench) {
    for eager in [RANGE, ROUND_ROBIN, STICKY] {
        let topic = bench.topic(4).await;
        let producer = Producer::start(bench, &topic, 500).await;
        let [first, both]: [&'static [&'static str]; 2] = match eager {
            RANGE => [&[RANGE], &[COOPERATIVE_STICKY, RANGE]],
            ROUND_ROBIN => [&[ROUND_ROBIN], &[COOPERATIVE_STICKY, ROUND_ROBIN]],
            _ => [&[STICKY], &[COOPERATIVE_STICKY, STICKY]],
        };
        let mut group = Group::new(bench, &topic, Setup::new(Protocol::Classic(first))).await;
        group.start(1..=3);
        group.until_stable(3).await;
        for strategies in [both, &[COOPERATIVE_STICKY]] {
            group.setup.protocol = Protocol::Classic(strategies);
            group.bounce(1..=3, Bounce::Rolling, Shutdown::Clean).await;
        }
        group.finish(producer).await;
        group.verify(Shutdown::Clean).await;
    }
}

async fn restart(group: &mut Group<'_>, slot: usize) {
    group.stop([slot], Shutdown::Clean).await;
    group.start([slot]);
    group.until_stable(2).await;
}

/// The partitions of each member.
fn shares(group: &Group<'_>) -> BTreeSet<Vec<i32>> {
    group.ask(|books| {
        let members = books.members.values();
        members
            .map(|member| member.assignment.iter().map(|partition| partition.partition.0).collect())
            .collect()
    })
}
