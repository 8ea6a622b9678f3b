//! A group changes from the classic protocol to the consumer protocol and back (KIP-848), all its
//! members at once and one after another.

use kavka::admin::GroupType;

use super::group::{COOPERATIVE_STICKY, Group, Protocol, RANGE, ROUND_ROBIN, STICKY, Setup};
use super::producer::Producer;
use super::{Bench, Bounce, SHORT_SESSION, Shutdown, on_each};
use crate::support::sized;

const THROUGHPUT: u32 = 500;
const MEMBERS: usize = 4;

/// How members end, whether they commit from time to time, and what they assign by.
const CASES: [(Shutdown, bool, Protocol); 4] = [
    (Shutdown::Clean, false, Protocol::Classic(&[RANGE])),
    (Shutdown::Hard, false, Protocol::Classic(&[COOPERATIVE_STICKY])),
    (Shutdown::Clean, true, Protocol::Classic(&[ROUND_ROBIN])),
    (Shutdown::Hard, true, Protocol::Classic(&[STICKY])),
];

#[tokio::test(flavor = "multi_thread")]
async fn test_consumer_all_upgrade() {
    if sized(true, false) {
        return;
    }
    on_each(async |bench| migrate(bench, Bounce::All).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_consumer_rolling_upgrade() {
    on_each(async |bench| migrate(bench, Bounce::Rolling).await).await;
}

async fn migrate(bench: &Bench, bounce: Bounce) {
    if !bench.has_consumer_protocol() {
        return;
    }
    for (how, is_autocommitting, classic) in &CASES[..sized(1, CASES.len())] {
        let topic = bench.topic(6).await;
        let producer = Producer::start(bench, &topic, THROUGHPUT).await;
        let mut setup = Setup { is_autocommitting: *is_autocommitting, ..Setup::new(*classic) };
        if *how == Shutdown::Hard {
            setup.session = SHORT_SESSION;
        }
        let mut group = Group::new(bench, &topic, setup).await;
        group.start(1..=MEMBERS);
        assert_eq!(group.until_stable(MEMBERS).await.kind, GroupType::Classic);
        group.until_consumed(1).await;
        for (protocol, kind) in
            [(Protocol::UNIFORM, GroupType::Consumer), (*classic, GroupType::Classic)]
        {
            group.setup.protocol = protocol;
            group.bounce(1..=MEMBERS, bounce, *how).await;
            assert_eq!(group.until_stable(MEMBERS).await.kind, kind);
        }
        group.finish(producer).await;
        group.verify(*how).await;
    }
}
