//! Random scripts: whatever the coordinator answers and the application does, what a member may
//! rely on holds.

use proptest::prelude::*;

use super::*;

/// What may happen to a member.
#[derive(Clone, Debug)]
enum Fact {
    Pass(u64),
    Want(bool),
    Polled,
    Revoked,
    JoinReply(u8, bool),
    SyncReply(u8, Vec<i32>),
    BeatReply(u8),
    Close,
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        6 => (1_u64..20_000).prop_map(Fact::Pass),
        1 => any::<bool>().prop_map(Fact::Want),
        4 => Just(Fact::Polled),
        6 => Just(Fact::Revoked),
        8 => (0_u8..12, any::<bool>()).prop_map(|(outcome, two)| Fact::JoinReply(outcome, two)),
        8 => (0_u8..12, proptest::collection::vec(0..4, 0..4)).prop_map(|(outcome, partitions)| Fact::SyncReply(outcome, partitions)),
        8 => (0_u8..14).prop_map(Fact::BeatReply),
        1 => Just(Fact::Close),
    ]
}

fn failure(outcome: u8) -> Option<Error> {
    Some(match outcome {
        0 => code(ErrorCode::REBALANCE_IN_PROGRESS),
        1 => code(ErrorCode::ILLEGAL_GENERATION),
        2 => code(ErrorCode::UNKNOWN_MEMBER_ID),
        3 => unreachable(),
        4 => code(ErrorCode::NOT_COORDINATOR),
        5 => code(ErrorCode::GROUP_MAX_SIZE_REACHED),
        _ => return None,
    })
}

proptest! {
    #[test]
    fn whatever_happens_a_member_beats_in_time_and_holds_what_it_was_given(
        is_cooperative in any::<bool>(),
        facts in proptest::collection::vec(fact(), 1..150),
    ) {
        let strategy = if is_cooperative { Assignor::CooperativeSticky } else { Assignor::Range };
        let mut script = Script::wanting(settings(strategy.clone()));
        // What the application may fetch and commit, as it was told.
        let mut owned: BTreeSet<TopicPartition> = BTreeSet::new();
        let mut giving: BTreeSet<TopicPartition> = BTreeSet::new();
        let mut closed = false;
        let mut sent: Option<Instant> = None;
        for fact in facts {
            let attempt = script.machine.attempt;
            match fact {
                Fact::Pass(by) => {
                    let until = script.now + Duration::from_millis(by);
                    while let Some(due) = script.machine.poll_timeout().filter(|due| *due <= until) {
                        script.now = script.now.max(due);
                        let before = script.machine.actions.len();
                        script.machine.handle_timeout(script.now);
                        prop_assert!(
                            script.machine.poll_timeout().is_none_or(|next| next > due) || script.machine.actions.len() > before,
                            "stuck",
                        );
                    }
                    script.now = until;
                }
                Fact::Want(is_wanted) if !closed => match is_wanted {
                    true => script.want(&["t"]),
                    false => script.machine.handle_wanted(None, script.now),
                },
                Fact::Polled => script.machine.handle_polled(script.now),
                Fact::Revoked => {
                    giving.clear();
                    script.machine.handle_revoked(script.now);
                }
                Fact::JoinReply(outcome, two_step) => {
                    let joined = Joined {
                        member: "me".to_owned(), generation: Generation(1), protocol: strategy.name().to_owned(),
                        leader: "other".to_owned(), skips_assignment: false, members: vec![],
                    };
                    match failure(outcome) {
                        None if two_step => script.machine.handle_member_id(attempt, "me".to_owned(), script.now),
                        outcome => script.machine.handle_joined(attempt, outcome.map_or(Ok(joined), Err), script.now),
                    }
                }
                Fact::SyncReply(outcome, partitions) => {
                    let bytes = MemberAssignment { partitions: partitions.into_iter().map(tp).collect(), user_data: None }.encode().unwrap();
                    script.machine.handle_synced(attempt, failure(outcome).map_or(Ok(bytes), Err), script.now);
                }
                Fact::BeatReply(outcome) => if let Some(sent) = sent.take() {
                    script.machine.handle_heartbeat(attempt, failure(outcome).map_or(Ok(()), Err), sent, script.now);
                },
                Fact::Close => {
                    closed = true;
                    script.machine.handle_close(GroupMembershipOperation::Default, script.now);
                }
                Fact::Want(_) => {}
            }
            for action in script.actions() {
                match action {
                    MemberAction::Assign(added) => for tp in added {
                        prop_assert!(!giving.contains(&tp) || is_cooperative);
                        prop_assert!(owned.insert(tp), "given twice");
                    },
                    MemberAction::Revoke(taken) | MemberAction::Abandon(taken) => for tp in taken {
                        prop_assert!(owned.remove(&tp), "takes what is not there");
                        giving.insert(tp);
                    },
                    MemberAction::Lost(lost) => for tp in lost {
                        prop_assert!(owned.remove(&tp), "loses what is not there");
                    },
                    MemberAction::Drop(dropped) => for tp in dropped {
                        giving.remove(&tp);
                    },
                    MemberAction::Join { protocols, .. } => {
                        let told = MemberSubscription::decode(&protocols[0].1).unwrap();
                        prop_assert_eq!(
                            told.owned_partitions.into_iter().collect::<BTreeSet<_>>(), owned.clone()
                        );
                        prop_assert!(
                            is_cooperative || owned.is_empty(), "an eager member joins with nothing"
                        );
                    }
                    MemberAction::Heartbeat { .. } => sent = Some(script.now),
                    MemberAction::Leave { .. } => prop_assert!(owned.is_empty() && giving.is_empty()),
                    MemberAction::Sync { .. } | MemberAction::Describe { .. } | MemberAction::Report(_) | MemberAction::Fail(_) => {}
                    of_the_other_protocol => panic!("{of_the_other_protocol:?}"),
                }
            }
            prop_assert_eq!(&script.machine.owned, &owned);
            let machine = &script.machine;
            if matches!(machine.state, State::Stable | State::Revoking { .. }) && machine.identity.generation.is_some() {
                prop_assert!(
                    script.now < machine.session_ends || machine.poll_timeout().is_some_and(|at| at <= script.now),
                );
                prop_assert!(
                    machine.heartbeat_in_flight || machine.poll_timeout().is_some_and(|at| at <= script.now + machine.settings.heartbeat_interval),
                    "no heartbeat is due in time"
                );
            }
            if machine.identity.generation.is_none() {
                prop_assert!(owned.is_empty(), "owns without being a member");
            }
        }
    }
}
