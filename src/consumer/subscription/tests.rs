use super::*;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn assigned(reset: AutoOffsetReset, partitions: &[i32]) -> Subscription {
    let mut subscription = Subscription::new(reset, false);
    subscription.assign(partitions.iter().map(|p| tp(*p)).collect()).expect("nothing was subscribed");
    subscription
}

fn lease(subscription: &Subscription, partition: i32) -> Arc<Lease> {
    Arc::clone(subscription.lease(&tp(partition)).expect("assigned"))
}

fn at(offset: i64, epoch: i32) -> Position {
    Position { offset: Offset(offset), leader_epoch: Some(LeaderEpoch(epoch)) }
}

#[test]
fn partition_without_group_starts_where_the_policy_says() {
    let subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let standing = subscription.standing(&tp(0)).expect("assigned");
    assert!(matches!(standing.phase, Phase::Resetting(ResetTo::Earliest)));
}

#[test]
fn policy_none_stops_a_partition_without_offset() {
    let subscription = assigned(AutoOffsetReset::None, &[0]);
    assert_eq!(subscription.position(&tp(0)).expect_err("no offset").kind(), ErrorKind::NoOffset);
}

#[test]
fn found_offset_of_an_ended_lease_changes_nothing() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let old = lease(&subscription, 0);
    subscription.seek(&tp(0), Position::at(Offset(7))).expect("assigned");

    assert!(!subscription.offset_found(&tp(0), old.id(), Position::at(Offset(0))));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(7)));
    assert_eq!(old.delivery(), Delivery::Ended);
}

#[test]
fn reassigned_partition_has_another_lease() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let old = lease(&subscription, 0);
    subscription.assign([tp(1)].into()).expect("manual");
    subscription.assign([tp(0), tp(1)].into()).expect("manual");

    assert_ne!(lease(&subscription, 0).id(), old.id());
    assert!(!subscription.offset_found(&tp(0), old.id(), Position::at(Offset(0))));
}

#[test]
fn kept_partition_keeps_its_position() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    let kept = lease(&subscription, 0);
    subscription.seek(&tp(0), Position::at(Offset(3))).expect("assigned");
    subscription.assign([tp(0), tp(1)].into()).expect("manual");

    assert_ne!(kept.id(), lease(&subscription, 0).id());
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(3)));
}

#[test]
fn pause_of_an_unassigned_partition_changes_none() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    assert!(subscription.set_paused(&[tp(0), tp(9)], true).is_err());
    assert_eq!(lease(&subscription, 0).delivery(), Delivery::Open);
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
    let mut subscription = Subscription::new(AutoOffsetReset::Earliest, true);
    subscription.subscribe(["t".into()].into()).expect("has a group");
    subscription.assigned([tp(0)]);
    let lease = lease(&subscription, 0);
    assert_eq!(lease.delivery(), Delivery::Held);

    subscription.set_paused(&[tp(0)], true).expect("assigned");
    subscription.release(&[tp(0)]);
    assert_eq!(lease.delivery(), Delivery::Held);
    subscription.set_paused(&[tp(0)], false).expect("assigned");
    assert_eq!(lease.delivery(), Delivery::Open);
}

#[test]
fn committed_offset_does_not_undo_a_seek() {
    let mut subscription = Subscription::new(AutoOffsetReset::Earliest, true);
    subscription.assigned([tp(0)]);
    let waiting = subscription.awaiting_committed();
    subscription.seek(&tp(0), Position::at(Offset(70))).expect("assigned");
    subscription.start_at_committed(&tp(0), waiting[0].1, Some(&OffsetAndMetadata::new(5)));

    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(70)));
}

#[test]
fn an_automatic_commit_does_not_go_back_behind_one_of_the_application() {
    let mut subscription = Subscription::new(AutoOffsetReset::Earliest, true);
    subscription.assigned([tp(0)]);
    let (_, id) = subscription.awaiting_committed()[0].clone();
    subscription.start_at_committed(&tp(0), id, Some(&OffsetAndMetadata::new(5)));
    let lease = lease(&subscription, 0);
    lease.deliver_to(Offset(9));
    lease.finish_to(Offset(8));

    assert_eq!(subscription.delivered()[0].offset, OffsetAndMetadata::new(9));
    subscription.committed(&tp(0), Offset(9));

    assert_eq!(subscription.finished(), []);
}

#[test]
fn only_what_differs_from_the_committed_offset_is_committed() {
    let mut subscription = Subscription::new(AutoOffsetReset::Earliest, true);
    subscription.assigned([tp(0)]);
    let (_, id) = subscription.awaiting_committed()[0].clone();
    subscription.start_at_committed(&tp(0), id, Some(&OffsetAndMetadata::new(5)));
    assert_eq!(subscription.finished(), []);

    let lease = lease(&subscription, 0);
    lease.deliver_to(Offset(9));
    assert_eq!(subscription.finished(), []);
    assert_eq!(subscription.delivered()[0].offset, OffsetAndMetadata::new(9));
    lease.finish_to(Offset(9));
    lease.finish_epoch(Some(LeaderEpoch(2)));
    assert_eq!(subscription.finished()[0].offset.leader_epoch, Some(LeaderEpoch(2)));

    subscription.committed(&tp(0), Offset(9));
    assert_eq!(subscription.finished(), []);
}

#[test]
fn fetched_bytes_of_another_position_are_refused() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let id = lease(&subscription, 0).id();

    assert!(subscription.fetched(&tp(0), id, Offset(10), at(20, 1)));
    assert!(!subscription.fetched(&tp(0), id, Offset(10), at(30, 1)));
    assert!(subscription.fetched(&tp(0), id, Offset(20), at(30, 1)));
}

#[test]
fn newer_leader_must_confirm_a_position_with_an_epoch() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let id = lease(&subscription, 0).id();
    subscription.leader_is(&tp(0), id, LeaderEpoch(4));
    assert!(matches!(subscription.standing(&tp(0)).expect("assigned").phase, Phase::Validating(_)));

    subscription.position_holds(&tp(0), id, Some(LeaderEpoch(4)));
    subscription.leader_is(&tp(0), id, LeaderEpoch(4));
    assert!(matches!(subscription.standing(&tp(0)).expect("assigned").phase, Phase::Fetching(_)));
}

#[test]
fn truncation_is_told_only_if_the_application_saw_the_records() {
    let mut subscription = assigned(AutoOffsetReset::Earliest, &[0]);
    subscription.seek(&tp(0), at(10, 3)).expect("assigned");
    let first = lease(&subscription, 0);
    assert!(subscription.fetched(&tp(0), first.id(), Offset(10), at(50, 3)));
    assert!(subscription.truncated(&tp(0), first.id(), at(30, 3)).is_none());
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(10)));

    let second = lease(&subscription, 0);
    second.deliver_to(Offset(40));
    let error = subscription.truncated(&tp(0), second.id(), at(30, 3)).expect("records were seen");
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(30)));
    assert!(subscription.truncated(&tp(0), second.id(), at(30, 3)).is_none());
}

#[test]
fn out_of_range_resets_by_policy_and_drops_nothing_buffered() {
    let mut subscription = assigned(AutoOffsetReset::Latest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let lease = lease(&subscription, 0);
    assert!(subscription.fetched(&tp(0), lease.id(), Offset(10), at(50, 1)));
    subscription.out_of_range(&tp(0), lease.id(), Offset(50));
    assert!(subscription.offset_found(&tp(0), lease.id(), Position::at(Offset(90))));
    assert_eq!(lease.delivery(), Delivery::Open);
}

#[test]
fn out_of_range_with_nothing_buffered_moves_the_position() {
    let mut subscription = assigned(AutoOffsetReset::Latest, &[0]);
    subscription.seek(&tp(0), Position::at(Offset(10))).expect("assigned");
    let id = lease(&subscription, 0).id();
    subscription.out_of_range(&tp(0), id, Offset(10));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), None);
    let id = lease(&subscription, 0).id();
    assert!(subscription.offset_found(&tp(0), id, Position::at(Offset(90))));
    assert_eq!(subscription.position(&tp(0)).expect("assigned"), Some(Offset(90)));
}

#[test]
fn subscribe_and_assign_exclude_each_other() {
    let mut subscription = Subscription::new(AutoOffsetReset::Earliest, true);
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
