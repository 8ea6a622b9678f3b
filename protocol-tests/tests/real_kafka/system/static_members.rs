//! Members with a group instance id (KIP-345).

use std::collections::BTreeSet;

use super::bounce::rolling_bounce_brokers;
use super::group::{
    COOPERATIVE_STICKY, Group, Protocol, RANGE, ROUND_ROBIN, STICKY, Setup, until_true,
};
use super::producer::Producer;
use super::rules::State;
use super::{Bench, Bounce, Shutdown, on_each};
use crate::support::sized;

const THROUGHPUT: u32 = 500;
const MEMBERS: usize = 3;

/// A static member that comes back in time is no reason to rebalance, a dynamic one is.
#[tokio::test(flavor = "multi_thread")]
async fn test_static_consumer_bounce_with_eager_assignment() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        for (is_static, bounce, protocol) in [
            (true, Bounce::All, Protocol::Classic(&[RANGE])),
            (true, Bounce::Rolling, Protocol::Classic(&[ROUND_ROBIN])),
            (false, Bounce::All, Protocol::Classic(&[STICKY])),
            (false, Bounce::Rolling, Protocol::Classic(&[RANGE])),
        ] {
            let revoked = bounce_all_but_the_first(bench, protocol, is_static, bounce).await;
            assert_eq!(revoked == 0, is_static, "{revoked} times the first gave up what it had");
        }
    })
    .await;
}

/// The same where partitions need not be given up to be kept: nobody who stays hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn test_static_consumer_bounce() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        let mut protocols = vec![Protocol::Classic(&[COOPERATIVE_STICKY])];
        protocols.extend(bench.has_consumer_protocol().then_some(Protocol::UNIFORM));
        for protocol in protocols {
            for bounce in [Bounce::All, Bounce::Rolling] {
                let revoked = bounce_all_but_the_first(bench, protocol, true, bounce).await;
                assert_eq!(revoked, 0, "the first gave up what it had");
            }
        }
    })
    .await;
}

/// How often the first member gave something up while the others were restarted.
async fn bounce_all_but_the_first(
    bench: &Bench,
    protocol: Protocol,
    is_static: bool,
    bounce: Bounce,
) -> usize {
    let topic = bench.topic(3).await;
    let producer = Producer::start(bench, &topic, THROUGHPUT).await;
    let setup = Setup { is_static, ..Setup::new(protocol) };
    let mut group = Group::new(bench, &topic, setup).await;
    group.start(1..=MEMBERS);
    group.until_stable(MEMBERS).await;
    let revoked = |group: &Group<'_>| group.ask(|books| books.members[&1].revoked);
    let before = revoked(&group);
    for _ in 0..2 {
        group.bounce(2..=MEMBERS, bounce, Shutdown::Clean).await;
    }
    let after = revoked(&group);
    group.finish(producer).await;
    group.verify(Shutdown::Clean).await;
    after - before
}

/// The id of a member that came back is known to the coordinator that takes over, too.
#[tokio::test(flavor = "multi_thread")]
async fn test_static_consumer_persisted_after_rejoin() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        let mut groups = Vec::new();
        for protocol in bench.protocols() {
            for bounce in [Bounce::All, Bounce::Rolling] {
                let topic = bench.topic(1).await;
                let producer = Producer::start(bench, &topic, THROUGHPUT).await;
                let setup = Setup { is_static: true, ..Setup::new(protocol) };
                let mut group = Group::new(bench, &topic, setup).await;
                group.start(1..=MEMBERS);
                group.until_stable(MEMBERS).await;
                group.bounce(1..=MEMBERS, bounce, Shutdown::Clean).await;
                groups.push((group, producer));
            }
        }
        rolling_bounce_brokers(bench, &groups).await;
        for (mut group, producer) in groups {
            group.finish(producer).await;
            group.verify(Shutdown::Clean).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_fencing_static_consumer() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        for protocol in bench.protocols() {
            for conflicting in [1, 2] {
                fence_a_stable_group(bench, protocol, conflicting).await;
                fence_while_all_start(bench, protocol, conflicting).await;
            }
        }
    })
    .await;
}

/// Two groups of processes that are one group: those that share a slot share an instance id.
async fn rivals<'a>(bench: &'a Bench, topic: &str, protocol: Protocol) -> [Group<'a>; 2] {
    let setup = Setup { is_static: true, ..Setup::new(protocol) };
    let id = format!("{topic}-group");
    let first = Group::named(bench, topic, &id, setup.clone()).await;
    [first, Group::named(bench, topic, &id, setup).await]
}

/// Who is newer wins under the classic protocol, and who is older under the consumer protocol.
async fn fence_a_stable_group(bench: &Bench, protocol: Protocol, conflicting: usize) {
    let topic = bench.topic(MEMBERS.try_into().unwrap()).await;
    let producer = Producer::start(bench, &topic, THROUGHPUT).await;
    let [mut group, mut rivals] = rivals(bench, &topic, protocol).await;
    group.start(1..=MEMBERS);
    group.until_stable(MEMBERS).await;
    let rebalances = group.ask(|books| books.rebalances());
    rivals.start(1..=conflicting);
    let all: BTreeSet<_> = (1..=MEMBERS).collect();
    let newer: BTreeSet<_> = (1..=conflicting).collect();
    match protocol {
        Protocol::Classic(_) => {
            for slot in 1..=conflicting {
                group.until_refused(slot, "FENCED_INSTANCE_ID").await;
            }
            rivals
                .until("the newer ones join", |books| books.in_state(State::Joined) == newer)
                .await;
            let older = &all - &newer;
            group.until("the others stay", |books| books.in_state(State::Joined) == older).await;
            rivals.until_consumed(1).await;
        }
        Protocol::Consumer(_) => {
            for slot in 1..=conflicting {
                rivals.until_refused(slot, "UNRELEASED_INSTANCE_ID").await;
            }
            group.until_stable(MEMBERS).await;
            group.until_consumed(1).await;
            assert_eq!(group.ask(|books| books.rebalances()), rebalances, "nothing has changed");
            assert_eq!(group.ask(|books| books.in_state(State::Joined)), all);
            // Once their place is free, they may come.
            group.stop_all().await;
            rivals.start(1..=conflicting);
            rivals.until("they join", |books| books.in_state(State::Joined) == newer).await;
            rivals.until_consumed(1).await;
        }
    }
    drop(producer.stop().await);
    group.stop_all().await;
    rivals.stop_all().await;
}

/// Of two that start at once, one is left.
async fn fence_while_all_start(bench: &Bench, protocol: Protocol, conflicting: usize) {
    let topic = bench.topic(MEMBERS.try_into().unwrap()).await;
    let producer = Producer::start(bench, &topic, THROUGHPUT).await;
    let [mut group, mut rivals] = rivals(bench, &topic, protocol).await;
    group.start(1..=MEMBERS);
    rivals.start(1..=conflicting);
    let joined = |group: &Group<'_>| group.ask(|books| books.in_state(State::Joined).len());
    until_true("one of each instance is left", async || {
        group.ended() + rivals.ended() == conflicting && joined(&group) + joined(&rivals) == MEMBERS
    })
    .await;
    let of_both = group.ask(|books| books.consumed) + rivals.ask(|books| books.consumed);
    until_true("they read", async || {
        group.ask(|books| books.consumed) + rivals.ask(|books| books.consumed) > of_both
    })
    .await;
    drop(producer.stop().await);
    group.stop_all().await;
    rivals.stop_all().await;
}
