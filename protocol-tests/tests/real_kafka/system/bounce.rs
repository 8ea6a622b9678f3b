//! Members and brokers are restarted, one after another and all at once.

use super::group::{Group, Setup};
use super::producer::Producer;
use super::{Bench, Bounce, SHORT_SESSION, Shutdown, on_each};
use crate::support::sized;

const THROUGHPUT: u32 = 500;
const MEMBERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn test_broker_rolling_bounce() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        // All protocols live through the same restarts.
        let mut groups = Vec::new();
        for protocol in bench.protocols() {
            let topic = bench.topic(1).await;
            let producer = Producer::start(bench, &topic, THROUGHPUT).await;
            let mut group = Group::new(bench, &topic, Setup::new(protocol)).await;
            group.start(1..=MEMBERS);
            group.until_stable(MEMBERS).await;
            groups.push((group, producer));
        }
        let rebalances = |groups: &[(Group<'_>, Producer)]| -> Vec<usize> {
            groups.iter().map(|(group, _)| group.ask(|books| books.rebalances())).collect()
        };
        let before = rebalances(&groups);
        for _ in 0..2 {
            rolling_bounce_brokers(bench, &groups).await;
        }
        assert_eq!(rebalances(&groups), before, "restarts of brokers are no reason to rebalance");
        for (mut group, producer) in groups {
            group.finish(producer).await;
            group.verify(Shutdown::Clean).await;
        }
    })
    .await;
}

pub(super) async fn rolling_bounce_brokers(bench: &Bench, groups: &[(Group<'_>, Producer)]) {
    for node in bench.cluster.nodes() {
        bench.bounce(node, Shutdown::Clean).await;
        for (group, producer) in groups {
            group.until_stable(MEMBERS).await;
            producer.until_acked(1).await;
            group.until_consumed(1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn test_consumer_bounce() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        for protocol in bench.protocols() {
            for (how, bounce) in [
                (Shutdown::Clean, Bounce::All),
                (Shutdown::Clean, Bounce::Rolling),
                (Shutdown::Hard, Bounce::All),
                (Shutdown::Hard, Bounce::Rolling),
            ] {
                let topic = bench.topic(1).await;
                let producer = Producer::start(bench, &topic, THROUGHPUT).await;
                let mut setup = Setup::new(protocol);
                if how == Shutdown::Hard {
                    setup.session = SHORT_SESSION;
                }
                let mut group = Group::new(bench, &topic, setup).await;
                group.start(1..=MEMBERS);
                group.until_stable(MEMBERS).await;
                for _ in 0..2 {
                    group.bounce(1..=MEMBERS, bounce, how).await;
                }
                group.finish(producer).await;
                group.verify(how).await;
            }
        }
    })
    .await;
}
