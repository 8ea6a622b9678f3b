//! One member, or one broker, is gone; and members that come and go in order.

use super::group::{Group, Setup, first};
use super::producer::Producer;
use super::rules::State;
use super::{SHORT_SESSION, Shutdown, on, on_each};
use crate::support::sized;

const THROUGHPUT: u32 = 500;
const MEMBERS: usize = 3;

/// How it ends, and whether members commit from time to time.
const CASES: [(Shutdown, bool); 4] = [
    (Shutdown::Clean, true),
    (Shutdown::Clean, false),
    (Shutdown::Hard, true),
    (Shutdown::Hard, false),
];

#[tokio::test(flavor = "multi_thread")]
async fn test_consumer_failure() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        for protocol in bench.protocols() {
            for (how, is_autocommitting) in CASES {
                let topic = bench.topic(1).await;
                let mut setup = Setup { is_autocommitting, ..Setup::new(protocol) };
                if how == Shutdown::Hard {
                    setup.session = SHORT_SESSION;
                }
                let mut group = Group::new(bench, &topic, setup).await;
                group.start(1..=MEMBERS);
                group.until_stable(MEMBERS).await;
                let owner = group.ask(|books| books.owner(&first(&topic))).unwrap();
                let producer = Producer::start(bench, &topic, THROUGHPUT).await;
                producer.until_acked(1000).await;
                group.stop([owner], how).await;
                group.until_stable(MEMBERS - 1).await;
                group.until_consumed(1000).await;
                group.finish(producer).await;
                group.verify(how).await;
            }
        }
    })
    .await;
}

/// Here it is the group's coordinator that fails, the hardest of them to miss.
#[tokio::test(flavor = "multi_thread")]
async fn test_broker_failure() {
    if sized(true, false) {
        return;
    }
    let test = async |bench: &super::Bench| {
        for (how, is_autocommitting) in CASES {
            for protocol in bench.protocols() {
                let topic = bench.topic(1).await;
                let setup = Setup { is_autocommitting, ..Setup::new(protocol) };
                let mut group = Group::new(bench, &topic, setup).await;
                let producer = Producer::start(bench, &topic, THROUGHPUT).await;
                group.start(1..=MEMBERS);
                let described = group.until_stable(MEMBERS).await;
                let coordinator = u16::try_from(described.coordinator.unwrap().0).unwrap();
                let rebalances = group.ask(|books| books.rebalances());
                bench.take_down(coordinator, how).await;
                group.until_consumed(1000).await;
                group.until_stable(MEMBERS).await;
                assert_eq!(
                    group.ask(|books| books.rebalances()),
                    rebalances,
                    "a broker that fails is no reason to rebalance"
                );
                group.finish(producer).await;
                group.verify(Shutdown::Clean).await;
                bench.cluster.restart(coordinator).await.unwrap();
            }
        }
    };
    on(3, |config| config, &test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_group_consumption() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| {
        for protocol in bench.protocols() {
            let topic = bench.topic(1).await;
            let mut group = Group::new(bench, &topic, Setup::new(protocol)).await;
            let producer = Producer::start(bench, &topic, THROUGHPUT).await;
            for started in 1..=MEMBERS {
                group.start([started]);
                group.until_stable(started).await;
                group.until_consumed(1).await;
            }
            for stopped in 1..MEMBERS {
                group.stop([stopped], Shutdown::Clean).await;
                group.until_stable(MEMBERS - stopped).await;
                group.until_consumed(1).await;
            }
            group.finish(producer).await;
            assert_eq!(group.ask(|books| books.in_state(State::Dead).len()), MEMBERS);
            group.verify(Shutdown::Clean).await;
        }
    })
    .await;
}
