//! Transactions, by rule.

mod admin;
mod coordinator;
mod groups;
mod markers;
mod random;
#[cfg(feature = "real-kafka")]
mod real;
mod scripts;
mod world;

use super::client::one_broker;
use crate::embedded::EmbeddedCluster;
use world::World;

async fn cluster(level: i16) -> EmbeddedCluster {
    one_broker().transaction_version(level).start().await.unwrap()
}

/// A test that plays one script, at one level of `transaction.version`.
macro_rules! plays {
    ($($rule:ident: $level:literal, $script:ident($($argument:literal)?), $expected:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $rule() {
            let cluster = cluster($level).await;
            let mut world = World::embedded(&cluster).await;
            assert_eq!(scripts::$script(&mut world $(, $argument)?).await, scripts::$expected);
        }
    )*};
}

plays! {
    the_old_protocol_adds_first_and_keeps_the_epoch: 1, old_protocol(), OLD_PROTOCOL;
    the_old_protocol_works_whatever_the_feature_says: 2, old_protocol(), OLD_PROTOCOL;
    a_leader_verifies_that_partitions_were_added: 1, verification(), VERIFICATION;
    the_new_protocol_adds_by_producing_and_bumps_at_each_end: 2, new_protocol(), NEW_PROTOCOL;
    who_comes_later_aborts_and_fences_in_the_old_protocol: 1, fencing_old(), FENCING_OLD;
    who_comes_later_aborts_and_fences_in_the_new_protocol: 2, fencing_new(), FENCING_NEW;
    an_owner_may_ask_for_its_next_epoch: 2, recovery(), RECOVERY;
    a_timeout_fences_in_the_old_protocol: 1, time_out(false), TIME_OUT_OLD;
    a_timeout_gives_the_next_epoch_in_the_new_protocol: 2, time_out(true), TIME_OUT_NEW;
    offsets_are_pending_until_the_marker: 1, offsets_old(), OFFSETS_OLD;
    offsets_join_the_transaction_by_themselves_in_the_new_protocol: 2, offsets_new(), OFFSETS_NEW;
    consumers_see_transactions_by_their_isolation: 1, isolation(), ISOLATION;
    one_protocol_may_follow_the_other: 2, mixed(), MIXED;
    nothing_is_written_beside_an_open_transaction: 1, outside(), OUTSIDE;
    features_are_told_from_version_3_and_level_0_from_version_4: 2, features(), FEATURES_AT_2;
    an_admin_ends_what_hangs_and_may_leave_an_id_stuck: 1, hanging(), HANGING;
}

#[tokio::test(start_paused = true)]
async fn the_largest_epoch_is_never_given() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    world.begin().await;
    assert!(cluster.set_producer_epoch(&world.id, i16::MAX - 100));
    assert_eq!(scripts::exhaustion(&mut world).await, scripts::EXHAUSTION);
}
