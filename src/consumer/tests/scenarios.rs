//! Scenarios by the number that they have in librdkafka's suite and in franz-go's history, where no
//! other test is of just that. `docs/dev/scenarios.md` has the whole list.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};

use super::groups::{member, settled};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn scenario_0012_what_is_null_is_not_empty() {
    let embedded = brokers(1).await;
    let all = [None, Some(&b""[..]), Some(&b"x"[..])];
    let all: Vec<_> = all.iter().flat_map(|key| all.map(|value| (*key, value))).collect();
    embedded.append("t", 0, &all).unwrap();
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let records = consumer.recv_many(all.len(), 60 * SECOND).await.unwrap();
    let read: Vec<_> = records.iter().map(|record| (record.key(), record.value())).collect();
    assert_eq!(read, all);
}

/// JoinGroup waits at the broker, with all else on its way to the same.
#[tokio::test(start_paused = true)]
async fn scenario_0093_a_join_that_waits_holds_up_nothing_else() {
    let embedded = brokers(1).await;
    let cooperative = [AssignmentStrategy::CooperativeSticky];
    let config = from_earliest().group_id("g").partition_assignment_strategy(cooperative);
    let mut consumer = member(&client(&embedded), config);
    settled(&mut [&mut consumer], &[3]).await;
    embedded.fault(Fault::on(ApiKey::JoinGroup).then(Reaction::Delay(30 * SECOND)));
    consumer.enforce_rebalance("because").unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(consumer.membership().unwrap().state, MembershipState::Rebalancing);
    append(&embedded, 0, 0..1);
    let begun = runtime::now();
    assert_eq!(values(&mut consumer, 1).await, [0]);
    consumer.commit().await.unwrap();
    consumer.end_offsets([tp(0)]).await.unwrap();
    assert!(runtime::now() - begun < SECOND);
    assert_eq!(embedded.committed("g", "t", 0), Some(1));
}

#[tokio::test(start_paused = true)]
async fn scenario_0117_a_disk_that_fails_is_waited_for_and_costs_no_record() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let refusal = Reaction::Answer(ErrorCode::KafkaStorageError);
    embedded.fault(Fault::on(ApiKey::Fetch).partition("t", 0).times(4).then(refusal));
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
}

/// The member has a newer epoch by the next heartbeat, under which it commits.
#[tokio::test(start_paused = true)]
async fn scenario_0148_a_commit_of_an_old_epoch_is_made_again_under_the_new_one() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let config = from_earliest().group_id("g").group_protocol(GroupProtocol::Consumer);
    let mut consumer = member(&client(&embedded), config.enable_auto_commit(false));
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    let refusal = Reaction::Answer(ErrorCode::StaleMemberEpoch);
    embedded.fault(Fault::on(ApiKey::OffsetCommit).times(1).then(refusal));
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(3));
    assert_eq!(embedded.requests_of(ApiKey::OffsetCommit).len(), 2);
    assert_eq!(consumer.assignment().len(), 3, "nothing was lost by that");
}

/// Committed offsets are on their way, refused or not stable while others come and go.
#[tokio::test(start_paused = true)]
async fn scenario_17_what_is_assigned_while_offsets_are_asked_for_is_read_from_where_it_was_left() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let embedded = brokers(1).await;
        (0..3).for_each(|partition| append(&embedded, partition, 0..4));
        let client = client(&embedded);
        let config = || {
            let cooperative = [AssignmentStrategy::CooperativeSticky];
            let config = from_earliest().group_id("g").group_protocol(protocol);
            match protocol {
                GroupProtocol::Classic => config.partition_assignment_strategy(cooperative),
                _ => config,
            }
        };
        let mut first = member(&client, config());
        let mut read: Vec<(i32, i64)> = Vec::new();
        while read.len() < 6 {
            let (partition, offset, _) = next(&mut first).await.unwrap();
            read.push((partition, offset));
        }
        first.close(5 * SECOND).await.unwrap();
        for trouble in [
            Reaction::Delay(2 * SECOND),
            Reaction::Answer(ErrorCode::UnstableOffsetCommit),
            Reaction::Answer(ErrorCode::NotCoordinator),
            Reaction::CloseAfter,
        ] {
            embedded.fault(Fault::on(ApiKey::OffsetFetch).times(1).then(trouble));
        }
        let mut members = [member(&client, config()), member(&client, config())];
        let until = runtime::now() + 60 * SECOND;
        while read.len() < 12 {
            assert!(runtime::now() < until, "{protocol:?}: {read:?}");
            for member in &mut members {
                if let Ok(came) = tokio::time::timeout(SECOND, next(member)).await {
                    let (partition, offset, _) = came.unwrap();
                    read.push((partition, offset));
                }
            }
        }
        read.sort_unstable();
        let all: Vec<_> =
            (0..3).flat_map(|partition| (0..4).map(move |at| (partition, at))).collect();
        assert_eq!(read, all, "{protocol:?}: each once");
    }
}
