//! Consumer groups (KIP-848), by rule.

mod asks;
mod assignors;
mod classic;
#[cfg(feature = "real-kafka")]
mod differential;
mod random;
#[cfg(feature = "real-kafka")]
mod real;
mod rules;
mod scripts;
mod transactions;
mod world;

use std::time::Duration;

use super::client::one_broker;
use crate::embedded::{Builder, EmbeddedCluster};
use world::{INTERVAL_MS, MOST_MEMBERS, SESSION_MS, World};

async fn cluster() -> EmbeddedCluster {
    start(one_broker(), Duration::from_millis(SESSION_MS)).await
}

/// A cluster with the settings that `world` names.
async fn start(builder: Builder, session: Duration) -> EmbeddedCluster {
    let interval = Duration::from_millis(u64::try_from(INTERVAL_MS).unwrap());
    let cluster = builder
        .consumer_heartbeat_interval(interval)
        .consumer_session_timeout(session)
        .consumer_group_max_size(MOST_MEMBERS)
        .min_session_timeout(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    cluster.delete_topic("t").unwrap();
    cluster
}

/// A test that plays one script.
macro_rules! plays {
    ($($rule:ident: $script:ident, $expected:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $rule() {
            let cluster = cluster().await;
            let mut world = World::embedded(&cluster).await;
            assert_eq!(scripts::$script(&mut world).await, scripts::$expected);
        }
    )*};
}

plays! {
    one_gives_up_before_the_other_gets: reconciliation, RECONCILIATION;
    targets_may_change_on_the_way: overlap, OVERLAP;
    a_silent_member_is_fenced: silence, SILENCE;
    a_member_that_gives_up_too_late_is_fenced: stubbornness, STUBBORNNESS;
    requests_that_cannot_be_meant_are_refused: invalid, INVALID;
    a_group_has_room_for_so_many: fullness, FULLNESS;
    a_subscription_may_be_for_nothing: nothing, NOTHING;
    the_epoch_before_is_good_if_the_reply_was_lost: epochs, EPOCHS;
    a_static_member_comes_back_with_what_it_had: coming_back, COMING_BACK;
    a_static_member_may_stay_away_for_a_session: staying_away, STAYING_AWAY;
    a_static_member_may_go_while_it_gives_up: going_midway, GOING_MIDWAY;
    topics_that_change_reach_the_assignment: topics, TOPICS;
    a_subscription_may_change_midway: change_of_mind, CHANGE_OF_MIND;
    a_pattern_is_resolved_after_its_heartbeat: patterns, PATTERNS;
    patterns_may_differ: two_patterns, TWO_PATTERNS;
    patterns_are_looked_at_every_ten_seconds: new_topics, NEW_TOPICS;
    the_range_assignor_gives_ranges: range, RANGE;
    most_members_choose_the_assignor: votes, VOTES;
    subscriptions_may_differ: different, DIFFERENT;
    members_commit_at_their_epoch: offsets, OFFSETS;
    an_older_epoch_is_good_for_what_was_kept: older_epochs, OLDER_EPOCHS;
    an_empty_group_becomes_one_of_the_other_kind: conversion, CONVERSION;
    a_group_is_described: description, DESCRIPTION;
    a_classic_group_takes_a_member_of_the_new_protocol: upgrade, UPGRADE;
    a_consumer_group_takes_a_classic_member: classic_guest, CLASSIC_GUEST;
    a_classic_member_has_so_long: classic_haste, CLASSIC_HASTE;
    a_static_member_takes_its_group_back: downgrade, DOWNGRADE;
    a_static_member_takes_its_group_back_for_something_else:
        downgrade_and_change, DOWNGRADE_AND_CHANGE;
    members_commit_in_transactions_at_their_epoch: transactions, TRANSACTIONS;
    what_was_to_be_given_up_may_come_back: coming_back_midway, COMING_BACK_MIDWAY;
    a_static_member_commits_by_older_epochs: old_commits, OLD_COMMITS;
}

#[tokio::test(start_paused = true)]
async fn targets_wait_for_their_interval() {
    let builder = one_broker().consumer_assignment_interval(Duration::from_secs(1));
    let cluster = start(builder, Duration::from_millis(SESSION_MS)).await;
    let mut world = World::embedded(&cluster).await;
    assert_eq!(scripts::interval(&mut world).await, scripts::INTERVAL);
}
