use super::*;
use crate::consumer::fetch::buffer::{BufferedBatch, Content};
use crate::consumer::fetch::filter::FetchFilter;
use crate::consumer::fetch::session::Want;
use crate::consumer::watermarks::Watermarks;
use crate::ids::{Timestamp, TopicId};
use crate::wire::batch::{BatchHeader, Batches, RecordFields, RecordsBuilder};
use crate::wire::compress::Compression;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn assigned(reset: AutoOffsetReset, partitions: &[i32]) -> Subscription {
    let mut subscription = Subscription::new(reset, false, Buffer::new(1 << 8, 1 << 20));
    subscription
        .assign(partitions.iter().map(|p| tp(*p)).collect())
        .expect("nothing was subscribed");
    subscription
}

fn in_a_group() -> Subscription {
    Subscription::new(AutoOffsetReset::Earliest, true, Buffer::new(1 << 10, 1 << 20))
}

fn subscribed() -> Subscription {
    let mut subscription = in_a_group();
    subscription.subscribe(["t".into()].into()).expect("has a group");
    subscription
}

/// A member that goes on at offset 64 of each partition.
fn begun_at_committed(partitions: &[i32]) -> Subscription {
    let mut subscription = subscribed();
    subscription.assigned(partitions.iter().map(|partition| tp(*partition)));
    for partition in partitions {
        let first = assignment(&subscription, *partition).id();
        subscription.start_at_committed(&tp(*partition), first, Some(&64.into()));
    }
    subscription
}

/// One record at each offset, as fetched from there.
fn buffered_batches(offsets: std::ops::Range<i64>) -> Vec<BufferedBatch> {
    let buffered = |offset: i64| {
        let mut builder = RecordsBuilder::with_capacity(1024);
        builder
            .append(&RecordFields {
                timestamp: Timestamp(0),
                key: None,
                value: Some(&[7; 200]),
                headers: &[],
            })
            .unwrap();
        let sealed = builder.seal(Compression::NONE).unwrap();
        let mut bytes =
            [&BatchHeader { producer: None }.write(&sealed)[..], &sealed.records].concat();
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        let batch = Batches::new(bytes.into()).next().unwrap().unwrap();
        BufferedBatch {
            content: Content::Fetched(batch),
            start: at(offset, 1),
            next: Offset(offset + 1),
        }
    };
    offsets.map(buffered).collect()
}

fn brought(buffered_batches: Vec<BufferedBatch>, next: Position) -> FetchFilter {
    FetchFilter { buffered_batches, next, failure: None }
}

fn assignment(subscription: &Subscription, partition: i32) -> Arc<PartitionAssignment> {
    Arc::clone(subscription.assignment_of(&tp(partition)).expect("assigned"))
}

fn at(offset: i64, epoch: i32) -> Position {
    Position { offset: Offset(offset), leader_epoch: Some(LeaderEpoch(epoch)) }
}

#[test]
fn partition_without_group_starts_where_the_policy_says() {
    let subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let snapshot = subscription.snapshot(&tp(0)).expect("assigned");
    assert!(matches!(snapshot.fetch_state, FetchState::Resetting(ResetTo::Earliest)));
}

#[test]
fn policy_none_stops_a_partition_without_offset() {
    let subscription = assigned(AutoOffsetReset::None, &[0]);
    assert_eq!(subscription.position(&tp(0)).expect_err("no offset").kind(), ErrorKind::NoOffset);
}

#[test]
fn found_offset_of_an_ended_assignment_changes_nothing() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let old = assignment(&subscription, 0);
    subscription.seek(&tp(0), Position::at(Offset(7))).expect("assigned");

    assert!(!subscription.offset_found(&tp(0), old.id(), Position::at(Offset(0))));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(7)));
    assert_eq!(old.delivery(), DeliveryGate::Ended);
}

#[test]
fn reassigned_partition_has_another_assignment() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let old = assignment(&subscription, 0);
    subscription.assign([tp(1)].into()).expect("manual");
    subscription.assign([tp(0), tp(1)].into()).expect("manual");

    assert_ne!(assignment(&subscription, 0).id(), old.id());
    assert!(!subscription.offset_found(&tp(0), old.id(), Position::at(Offset(0))));
}

#[test]
fn kept_partition_keeps_its_position() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let kept = assignment(&subscription, 0);
    subscription.seek(&tp(0), Position::at(Offset(3))).expect("assigned");
    subscription.assign([tp(0), tp(1)].into()).expect("manual");

    assert_ne!(kept.id(), assignment(&subscription, 0).id());
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(3)));
}

#[test]
fn pause_of_an_unassigned_partition_changes_none() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    assert!(subscription.set_paused(&[tp(0), tp(9)], true).is_err());
    assert_eq!(assignment(&subscription, 0).delivery(), DeliveryGate::Open);
}

#[test]
fn needless_resume_is_no_change() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.take_changed();
    subscription.set_paused(&[tp(0)], false).expect("assigned");
    assert!(!subscription.has_changed());
}

#[test]
fn held_partition_delivers_only_when_neither_paused_nor_held() {
    let mut subscription = in_a_group();
    subscription.subscribe(["t".into()].into()).expect("has a group");
    subscription.assigned([tp(0)]);
    let assignment = assignment(&subscription, 0);
    assert_eq!(assignment.delivery(), DeliveryGate::Held);

    subscription.set_paused(&[tp(0)], true).expect("assigned");
    subscription.release(&[tp(0)]);
    assert_eq!(assignment.delivery(), DeliveryGate::Held);
    subscription.set_paused(&[tp(0)], false).expect("assigned");
    assert_eq!(assignment.delivery(), DeliveryGate::Open);
}

#[test]
fn committed_offset_does_not_undo_a_seek() {
    let mut subscription = subscribed();
    subscription.assigned([tp(0)]);
    let waiting = subscription.awaiting_committed();
    subscription.seek(&tp(0), Position::at(Offset(70))).expect("assigned");
    subscription.start_at_committed(&tp(0), waiting[0].1, Some(&OffsetAndMetadata::new(5)));

    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(70)));
}

#[test]
fn an_automatic_commit_does_not_go_back_behind_one_of_the_application() {
    let mut subscription = subscribed();
    subscription.assigned([tp(0)]);
    let (_, id) = subscription.awaiting_committed()[0].clone();
    subscription.start_at_committed(&tp(0), id, Some(&OffsetAndMetadata::new(5)));
    let assignment = assignment(&subscription, 0);
    assignment.deliver_to(Offset(9));
    assignment.finish_to(Offset(8));

    assert_eq!(subscription.committable(|_| false)[0].offset, OffsetAndMetadata::new(9));
    subscription.committed(&tp(0), assignment.id(), Offset(9));

    assert_eq!(subscription.finished(), []);
}

#[test]
fn only_what_differs_from_the_committed_offset_is_committed() {
    let mut subscription = subscribed();
    subscription.assigned([tp(0)]);
    let (_, id) = subscription.awaiting_committed()[0].clone();
    subscription.start_at_committed(&tp(0), id, Some(&OffsetAndMetadata::new(5)));
    assert_eq!(subscription.finished(), []);

    let assignment = assignment(&subscription, 0);
    assignment.deliver_to(Offset(9));
    assert_eq!(subscription.finished(), []);
    assert_eq!(subscription.committable(|_| false)[0].offset, OffsetAndMetadata::new(9));
    assignment.finish_to(Offset(9));
    assignment.finish_epoch(Some(LeaderEpoch(2)));
    assert_eq!(subscription.finished()[0].offset.leader_epoch, Some(LeaderEpoch(2)));

    subscription.committed(&tp(0), assignment.id(), Offset(9));
    assert_eq!(subscription.finished(), []);
}

#[test]
fn fetched_bytes_of_another_position_are_refused() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let id = assignment(&subscription, 0).id();

    assert!(subscription.fetched(&tp(0), id, Offset(10), brought(vec![], at(20, 1)), None));
    assert!(!subscription.fetched(&tp(0), id, Offset(10), brought(vec![], at(30, 1)), None));
    assert!(subscription.fetched(&tp(0), id, Offset(20), brought(vec![], at(30, 1)), None));
}

#[test]
fn newer_leader_must_confirm_a_position_with_an_epoch() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let id = assignment(&subscription, 0).id();
    subscription.leader_is(&tp(0), id, LeaderEpoch(4));
    assert!(matches!(
        subscription.snapshot(&tp(0)).expect("assigned").fetch_state,
        FetchState::Validating(_)
    ));

    subscription.position_holds(&tp(0), id, Some(LeaderEpoch(4)));
    subscription.leader_is(&tp(0), id, LeaderEpoch(4));
    assert!(matches!(
        subscription.snapshot(&tp(0)).expect("assigned").fetch_state,
        FetchState::Fetching(_)
    ));
}

#[test]
fn truncation_is_told_only_if_the_application_saw_the_records() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let first = assignment(&subscription, 0);
    assert!(subscription.fetched(&tp(0), first.id(), Offset(10), brought(vec![], at(50, 3)), None));
    assert!(subscription.truncated(&tp(0), first.id(), at(30, 3)).is_none());
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(10)));

    let second = assignment(&subscription, 0);
    second.deliver_to(Offset(40));
    let error = subscription.truncated(&tp(0), second.id(), at(30, 3)).expect("records were seen");
    assert_eq!(error.kind(), ErrorKind::LogTruncated);
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(30)));
    assert!(subscription.truncated(&tp(0), second.id(), at(30, 3)).is_none());
}

#[test]
fn out_of_range_resets_by_policy_and_drops_nothing_buffered() {
    let mut subscription = assigned(AutoOffsetReset::Latest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let assignment = assignment(&subscription, 0);
    assert!(subscription.fetched(
        &tp(0),
        assignment.id(),
        Offset(10),
        brought(vec![], at(50, 1)),
        None
    ));
    subscription.out_of_range(&tp(0), assignment.id(), Offset(50));
    assert!(subscription.offset_found(&tp(0), assignment.id(), Position::at(Offset(90))));
    assert_eq!(assignment.delivery(), DeliveryGate::Open);
}

#[test]
fn out_of_range_with_nothing_buffered_moves_the_position() {
    let mut subscription = assigned(AutoOffsetReset::Latest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let id = assignment(&subscription, 0).id();
    subscription.out_of_range(&tp(0), id, Offset(10));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), None);
    let id = assignment(&subscription, 0).id();
    assert!(subscription.offset_found(&tp(0), id, Position::at(Offset(90))));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(90)));
}

#[test]
fn subscribe_and_assign_exclude_each_other() {
    let mut subscription = in_a_group();
    subscription.assign([tp(0)].into()).expect("nothing was subscribed");
    assert!(subscription.subscribe(["t".into()].into()).is_err());
    subscription.unsubscribe();
    subscription.subscribe(["t".into()].into()).expect("nothing is assigned");
    assert!(subscription.assign([tp(0)].into()).is_err());
}

#[test]
fn pattern_matches_whole_names() {
    let pattern = Pattern::new("a.*|b").expect("a regular expression");
    assert!(pattern.matches("abc") && pattern.matches("b"));
    assert!(!pattern.matches("xb") && !pattern.matches("bx"));
    assert!(Pattern::new("(").is_err());
}

/// What a paused partition has buffered is dropped for want of room, with the batch before in hand,
/// in whatever phase it is: it is fetched again from there, and what is in hand stays unfinished.
#[test]
fn what_is_evicted_is_fetched_again_in_every_phase() {
    type Happen = fn(&mut Subscription, AssignmentEpoch);
    let happenings: [(&str, Happen); 5] = [
        ("nothing", |_, _| {}),
        ("a newer leader", |subscription, assignment| {
            subscription.leader_is(&tp(0), assignment, LeaderEpoch(7))
        }),
        ("out of range", |subscription, assignment| {
            subscription.out_of_range(&tp(0), assignment, Offset(9))
        }),
        ("corrupt", |subscription, assignment| {
            subscription.cannot_be_read(
                &tp(0),
                assignment,
                Offset(9),
                Error::new(ErrorKind::Corrupt, ""),
            );
        }),
        ("no permission", |subscription, assignment| {
            subscription.fetched(
                &tp(0),
                assignment,
                Offset(9),
                FetchFilter {
                    failure: Some(Error::new(ErrorKind::Corrupt, "")),
                    ..brought(vec![], at(9, 1))
                },
                None,
            );
        }),
    ];
    for (what, happen) in happenings {
        let mut subscription = assigned(AutoOffsetReset::Latest, &[0]);
        subscription.seek(&tp(0), at(0, 1)).expect("assigned");
        let assignment = assignment(&subscription, 0);
        let buffered_batches = buffered_batches(0..9);
        assert!(subscription.fetched(
            &tp(0),
            assignment.id(),
            Offset(0),
            brought(buffered_batches, at(9, 1)),
            None
        ));
        let (_, in_hand) = subscription.buffer.pop().expect("fetched");
        assignment.deliver_to(in_hand.next);
        happen(&mut subscription, assignment.id());
        subscription.set_paused(&[tp(0)], true).expect("assigned");

        subscription.evict_held();

        let snapshot = subscription.snapshot(&tp(0)).expect("assigned");
        let (FetchState::Fetching(from) | FetchState::Validating(from)) = snapshot.fetch_state
        else {
            panic!("{what}: {:?}", snapshot.fetch_state)
        };
        assert_eq!(from.offset, Offset(1), "{what}");
        assert_eq!(
            snapshot.assignment.id(),
            assignment.id(),
            "{what}: what is in hand is finished under it"
        );
        assert_eq!(assignment.done().map(|done| done.offset), Some(Offset(0)), "{what}");
    }
}

#[test]
fn what_is_in_hand_when_the_log_is_cut_behind_it_stays_unfinished() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let first = assignment(&subscription, 0);
    assert!(subscription.fetched(&tp(0), first.id(), Offset(10), brought(vec![], at(50, 3)), None));
    first.deliver_to(Offset(20));
    assert!(subscription.truncated(&tp(0), first.id(), at(30, 3)).is_none());
    let second = assignment(&subscription, 0);
    assert_eq!(
        (first.delivery(), second.done().expect("begun").offset),
        (DeliveryGate::Ended, Offset(10))
    );
    first.finish_to(Offset(20));
    assert_eq!(second.done().expect("begun").offset, Offset(20));
}

/// Before its leader was asked where it begins; whoever gets the partition next would go on at a
/// place in the topic of before.
#[test]
fn a_topic_that_is_created_anew_is_to_be_committed_at_its_beginning() {
    let mut subscription = begun_at_committed(&[0]);
    subscription.begin_anew(&tp(0));
    let commits: Vec<_> =
        subscription.finished().into_iter().map(|commit| commit.offset.offset).collect();
    assert_eq!(commits, [Offset(0)]);
    let anew = assignment(&subscription, 0);
    assert!(
        subscription.offset_found(&tp(0), anew.id(), at(3, 0)),
        "where its leader says that it begins"
    );
    assert!(
        matches!(subscription.snapshot(&tp(0)).expect("assigned").fetch_state, FetchState::Fetching(position) if position == at(3, 0))
    );
}

/// The group's task may see the new topic before the fetcher does, and its last commit must not be
/// a place in the old one.
#[test]
fn whoever_follows_the_view_first_finds_a_topic_created_anew() {
    let (old, new) = (TopicId([1; 16]), TopicId([2; 16]));
    let mut subscription = begun_at_committed(&[0, 1]);
    // Nothing was read of the other: its position may be one in the new topic.
    assignment(&subscription, 0).is_of(old);
    assert!(subscription.follow(5, |_| Some(old)).is_empty());
    assert!(subscription.follow(6, |_| None).is_empty(), "a view without the topic");
    let last = assignment(&subscription, 0).id();
    assert_eq!(subscription.follow(7, |_| Some(new)).len(), 1);
    assert_eq!(
        (subscription.take_recreated(), subscription.take_recreated()),
        (vec![(tp(0), last)], vec![])
    );
    let commits: Vec<_> = subscription
        .finished()
        .into_iter()
        .map(|commit| (commit.partition, commit.offset.offset))
        .collect();
    assert_eq!(commits, [(tp(0), Offset(0))]);
    assignment(&subscription, 0).is_of(new);
    assert!(subscription.follow(6, |_| Some(old)).is_empty(), "a task that is late with its view");
    assert!(subscription.follow(7, |_| Some(new)).is_empty(), "the second task");
}

#[test]
fn what_was_given_up_of_a_topic_created_anew_is_committed_at_its_beginning() {
    let mut subscription = begun_at_committed(&[0]);
    assignment(&subscription, 0).is_of(TopicId([1; 16]));
    subscription.unsubscribe();
    subscription.follow(1, |_| Some(TopicId([2; 16])));
    let commits: Vec<_> =
        subscription.finished().into_iter().map(|commit| commit.offset.offset).collect();
    assert_eq!(commits, [Offset(0)]);
}

/// The leader of the new topic was asked where the logs part before the view told of it.
#[test]
fn a_topic_created_anew_is_noticed_though_its_log_was_taken_for_one_that_was_cut() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let first = assignment(&subscription, 0);
    first.is_of(TopicId([1; 16]));
    first.deliver_to(Offset(20));
    assert!(subscription.truncated(&tp(0), first.id(), at(5, 3)).is_some());
    assert_eq!(subscription.follow(1, |_| Some(TopicId([2; 16]))).len(), 1);
    // Where the application goes then is a place in the new one, also if nothing is read there.
    assignment(&subscription, 0).is_of(TopicId([2; 16]));
    subscription.seek(&tp(0), at(8, 3)).expect("assigned");
    assert!(subscription.follow(2, |_| Some(TopicId([2; 16]))).is_empty());
    assert_eq!(subscription.follow(3, |_| Some(TopicId([3; 16]))).len(), 1);
}

/// Compaction has removed what was there; the leader names the end of its log all the same.
#[test]
fn the_end_is_told_where_nothing_is_left_to_read() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.tells_ends = true;
    subscription.seek(&tp(0), at(91, 3)).expect("assigned");
    let of = assignment(&subscription, 0);
    let want = |offset| Want {
        assignment: of.id(),
        offset: Offset(offset),
        leader_epoch: None,
        topic_id: None,
    };
    let mut is_told = |want, is_empty| {
        subscription.fetched_all(&tp(0), want, is_empty);
        let told = subscription.buffer.pop();
        matches!(told, Some((_, BufferedBatch { content: Content::End, .. })))
    };
    assert!(!is_told(want(91), true), "the end is not known");
    let watermarks = Watermarks {
        log_start_offset: None,
        high_watermark: Offset(100),
        last_stable_offset: None,
    };
    of.ends_at(watermarks, Some(watermarks.high_watermark));
    assert!(!is_told(want(91), false), "there may have been no room for it");
    assert!(!is_told(want(90), true), "it was asked for another place");
    assert!(is_told(want(91), true));
    of.ends_at(watermarks, Some(Offset(91)));
    assert!(is_told(want(91), false));
    assert!(of.tell_end(Offset(91)));
    assert!(!is_told(want(91), true), "it was told before");
    subscription.seek(&tp(0), at(91, 3)).expect("assigned");
    subscription.fetched_all(&tp(0), want(91), true);
    assert!(subscription.buffer.pop().is_none(), "the answer is from before the seek");
}
