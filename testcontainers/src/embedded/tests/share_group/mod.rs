//! Share groups (KIP-932), by rule.

mod asks;
#[cfg(feature = "real-kafka")]
mod differential;
mod random;
#[cfg(feature = "real-kafka")]
mod real;
mod rules;
mod scripts;
mod world;

use std::time::Duration;

use super::client::{Client, one_broker};
use crate::embedded::{Builder, EmbeddedCluster};
use world::World;

/// A cluster with the settings that the scripts name.
async fn start(builder: Builder) -> EmbeddedCluster {
    let cluster = builder
        .share_record_lock_duration(Duration::from_secs(2))
        .share_session_timeout(Duration::from_secs(4))
        .share_heartbeat_interval(Duration::from_secs(1))
        .share_group_max_size(4)
        .start()
        .await
        .unwrap();
    cluster.delete_topic("t").unwrap();
    cluster
}

async fn embedded(cluster: &EmbeddedCluster) -> World {
    let cluster = cluster.clone();
    let connect = move || {
        let client = Client::to(&cluster, 1);
        Box::pin(async move { client }) as std::pin::Pin<Box<dyn Future<Output = Client> + Send>>
    };
    World::new(Box::new(connect), "").await
}

/// A test that plays one script.
macro_rules! plays {
    ($($rule:ident: $script:ident, $expected:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $rule() {
            let cluster = start(one_broker()).await;
            let mut world = embedded(&cluster).await;
            assert_eq!(scripts::$script(&mut world).await, scripts::$expected);
        }
    )*};
}

plays! {
    a_session_goes_by_epochs: session_epochs, SESSION_EPOCHS;
    a_session_is_of_a_member_of_a_group: session_owners, SESSION_OWNERS;
    the_end_of_a_session_frees_its_records: session_ends, SESSION_ENDS;
    replies_tell_what_is_news: session_news, SESSION_NEWS;
    a_topic_may_go_under_a_session: topics_gone, TOPICS_GONE;
    whole_batches_are_acquired: acquired_batches, ACQUIRED_BATCHES;
    no_record_more_is_acquired_than_asked_for: acquired_records, ACQUIRED_RECORDS;
    a_fetch_waits_for_what_it_can_have: waiting, WAITING;
    so_many_records_are_in_flight: record_locks, RECORD_LOCKS;
    a_group_begins_where_it_is_told: beginnings, BEGINNINGS;
    members_say_what_becomes_of_records: said_of_records, SAID_OF_RECORDS;
    all_that_is_said_counts_or_nothing: said_together, SAID_TOGETHER;
    what_cannot_be_meant_is_refused: said_wrongly, SAID_WRONGLY;
    a_lock_is_renewed: renewals, RENEWALS;
    a_record_is_delivered_so_often: deliveries, DELIVERIES;
    a_lock_ends: lock_timeouts, LOCK_TIMEOUTS;
    the_log_may_begin_behind_the_group: log_starts, LOG_STARTS;
    the_log_may_begin_within_what_is_acquired: log_starts_within, LOG_STARTS_WITHIN;
    suspicious_records_come_apart: suspects, SUSPECTS;
    members_come_and_go_by_epochs: members, MEMBERS;
    heartbeats_that_cannot_be_meant_are_refused: bad_heartbeats, BAD_HEARTBEATS;
    a_silent_member_is_fenced: silence, SILENCE;
    partitions_are_shared_out_evenly: sharing_out, SHARING_OUT;
    a_group_is_of_one_kind: kinds, KINDS;
    a_group_stands_where_it_has_said: standings, STANDINGS;
    a_group_goes_on_where_it_is_set: set_starts, SET_STARTS;
    a_group_has_settings: settings, SETTINGS;
    aborted_records_are_left_out: isolation, ISOLATION;
    aborted_records_are_given_unless_left_out: no_isolation, NO_ISOLATION;
}
