//! The membership of the consumer protocol, by scripts.

use super::*;
use crate::cluster::Backoff;
use crate::consumer::subscription::Pattern;
use crate::error::ErrorKind;
use crate::ids::PartitionId;

mod random;

const SECOND: Duration = Duration::from_secs(1);
const T: TopicId = TopicId([7; 16]);
const U: TopicId = TopicId([9; 16]);

fn settings() -> MemberSettings {
    MemberSettings {
        group: "g".into(),
        instance: None,
        rack: None,
        remote_assignor: None,
        strategies: Vec::new(),
        session_timeout: 45 * SECOND,
        heartbeat_interval: 3 * SECOND,
        max_poll_interval: 300 * SECOND,
        backoff: Backoff::new(Duration::from_millis(100), SECOND),
    }
}

fn by_id(id: TopicId, partitions: &[i32]) -> PartitionsById {
    let partitions: BTreeSet<_> = partitions.iter().copied().map(PartitionId).collect();
    if partitions.is_empty() { PartitionsById::new() } else { [(id, partitions)].into() }
}

fn name_of(id: TopicId) -> Option<TopicName> {
    [(T, "t"), (U, "u")].into_iter().find_map(|(known, name)| (id == known).then(|| name.into()))
}

/// A machine with the application and the coordinator around it.
struct Script {
    machine: Reconciling,
    now: Instant,
}

impl Script {
    fn new(settings: MemberSettings) -> Self {
        let now = Instant::now();
        Self { machine: Reconciling::new(settings, Random::new(1), now), now }
    }

    /// A member that owns partitions of `t`, and has said so.
    fn stable(settings: MemberSettings, partitions: &[i32]) -> Self {
        let mut script = Self::new(settings);
        script.want(&["t"]);
        script.heartbeat();
        script.answer(1, Some(by_id(T, partitions)));
        assert_eq!(script.changes(), [format!("+{partitions:?}")]);
        script.machine.handle_assigned(script.now);
        assert_eq!(script.heartbeat().owned, Some(by_id(T, partitions)));
        script.answer(1, None);
        script
    }

    fn want(&mut self, topics: &[&str]) {
        let topics = topics.iter().map(TopicName::from).collect();
        self.machine.handle_wanted(Some(WantedTopics { topics, pattern: None }), self.now);
    }

    /// The heartbeat that is due.
    fn heartbeat(&mut self) -> MemberHeartbeat {
        assert_eq!(self.machine.heartbeat_by().map(|due| due <= self.now), Some(true));
        self.machine.handle_timeout(self.now);
        match self.machine.poll() {
            Some(MemberAction::Reconcile { heartbeat, .. }) => heartbeat,
            other => panic!("{other:?}"),
        }
    }

    fn is_due(&self) -> bool {
        self.machine.heartbeat_by().is_some_and(|due| due <= self.now)
    }

    fn answer(&mut self, epoch: i32, target: Option<PartitionsById>) {
        let answer = HeartbeatAnswer { member: None, epoch, interval: 5 * SECOND, target };
        self.machine.handle_heartbeat(self.machine.attempt, Ok(answer), self.now);
        self.machine.handle_names(name_of, self.now);
    }

    fn fail(&mut self, code: ErrorCode) {
        let outcome = Err(Error::broker(code));
        self.machine.handle_heartbeat(self.machine.attempt, outcome, self.now);
    }

    /// What the application and the coordinator are told, in short.
    fn changes(&mut self) -> Vec<String> {
        let numbers = |partitions: Vec<TopicPartition>| {
            format!("{:?}", partitions.iter().map(|tp| tp.partition.0).collect::<Vec<_>>())
        };
        let shown = |action| match action {
            MemberAction::Assign(partitions) => Some(format!("+{}", numbers(partitions))),
            MemberAction::Revoke(partitions) => Some(format!("-{}", numbers(partitions))),
            MemberAction::Lost(partitions) => Some(format!("lost {}", numbers(partitions))),
            MemberAction::Drop(partitions) => Some(format!("drop {}", numbers(partitions))),
            MemberAction::LeaveReconciled(heartbeat) => Some(format!("leave {}", heartbeat.epoch)),
            MemberAction::Report(error) => Some(format!("report {:?}", error.kind())),
            MemberAction::Fail(error) => Some(format!("fail {:?}", error.kind())),
            MemberAction::NameTopics => None,
            other => Some(format!("{other:?}")),
        };
        std::iter::from_fn(|| self.machine.poll()).filter_map(shown).collect()
    }
}

#[test]
fn a_member_says_everything_once_and_then_what_changes() {
    let mut script = Script::new(settings());
    assert!(!script.is_due(), "nobody wants anything");
    script.want(&["t"]);
    let first = script.heartbeat();
    assert_eq!((first.epoch, first.is_full, first.owned), (0, true, Some(PartitionsById::new())));
    assert_eq!(first.topics, Some([TopicName::from("t")].into()));
    assert!(script.machine.heartbeat_by().is_none(), "one at a time");
    script.answer(3, Some(by_id(T, &[0, 1])));
    assert_eq!(script.changes(), ["+[0, 1]"]);
    assert!(!script.is_due(), "it owns them when the application has heard of them");
    script.machine.handle_assigned(script.now);
    let second = script.heartbeat();
    let expected = MemberHeartbeat {
        member: first.member,
        epoch: 3,
        is_full: false,
        topics: None,
        regex: None,
        owned: Some(by_id(T, &[0, 1])),
    };
    assert_eq!(second, expected);
    script.answer(4, None);
    assert!(!script.is_due());
    script.now += 5 * SECOND;
    let third = script.heartbeat();
    assert_eq!((third.epoch, third.topics, third.owned), (4, None, None));
}

#[test]
fn what_goes_is_given_up_before_it_is_said_and_before_anything_comes() {
    let mut script = Script::stable(settings(), &[0, 1]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.answer(2, Some(by_id(T, &[1, 2])));
    assert_eq!(script.changes(), ["-[0]"]);
    script.now += 5 * SECOND;
    assert_eq!(script.heartbeat().owned, None, "it beats, and says nothing new");
    script.answer(2, None);
    script.machine.handle_revoked(script.now);
    assert_eq!(script.changes(), ["+[2]"]);
    script.machine.handle_assigned(script.now);
    assert_eq!(script.heartbeat().owned, Some(by_id(T, &[1, 2])));
}

#[test]
fn after_a_heartbeat_in_vain_the_next_says_everything() {
    let mut script = Script::stable(settings(), &[0, 1]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::NOT_COORDINATOR);
    assert!(!script.is_due(), "after a pause");
    script.now += SECOND;
    let again = script.heartbeat();
    assert_eq!((again.is_full, again.epoch), (true, 1));
    assert_eq!((again.owned, again.topics.is_some()), (Some(by_id(T, &[0, 1])), true));
    // In the middle of giving up, what goes is still owned.
    script.answer(2, Some(by_id(T, &[1])));
    assert_eq!(script.changes(), ["-[0]"]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    script.now += SECOND;
    assert_eq!(script.heartbeat().owned, Some(by_id(T, &[0, 1])));
}

#[test]
fn whoever_is_fenced_loses_all_and_joins_again() {
    for code in [
        ErrorCode::FENCED_MEMBER_EPOCH,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::GROUP_ID_NOT_FOUND,
    ] {
        let mut script = Script::stable(settings(), &[0, 1]);
        script.now += 5 * SECOND;
        let before = script.heartbeat().member;
        script.fail(code);
        assert_eq!(script.changes(), ["lost [0, 1]"]);
        assert!(!script.machine.can_commit());
        let first = script.heartbeat();
        assert_eq!((first.epoch, first.owned), (0, Some(PartitionsById::new())));
        assert_eq!(first.member == before, code == ErrorCode::FENCED_MEMBER_EPOCH, "{code}");
        script.fail(ErrorCode::FENCED_MEMBER_EPOCH);
        assert!(!script.is_due(), "the second time after a pause");
    }
}

#[test]
fn a_static_member_that_is_fenced_gives_its_place_up_to_get_it_back() {
    let settings = MemberSettings { instance: Some("i".to_owned()), ..settings() };
    let mut script = Script::stable(settings, &[0, 1]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(script.changes(), ["lost [0, 1]", "leave -2"]);
    assert!(!script.is_due(), "that comes first");
    script.now += SECOND;
    assert_eq!(script.heartbeat().epoch, 0);
}

#[test]
fn what_goes_and_what_comes_is_lost_with_the_membership() {
    let mut script = Script::stable(settings(), &[0, 1]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.answer(2, Some(by_id(T, &[1])));
    assert_eq!(script.changes(), ["-[0]"]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(script.changes(), ["drop [0]", "lost [1]"], "the listener hears of 0 already");
    script.heartbeat();
    script.answer(5, Some(by_id(T, &[2])));
    assert_eq!(script.changes(), ["+[2]"]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.changes(), ["lost [2]"]);
}

#[test]
fn a_topic_without_a_name_waits_for_it() {
    let mut script = Script::new(settings());
    script.want(&["t"]);
    script.heartbeat();
    let answer =
        HeartbeatAnswer { member: None, epoch: 1, interval: SECOND, target: Some(by_id(T, &[0])) };
    script.machine.handle_heartbeat(script.machine.attempt, Ok(answer), script.now);
    script.machine.handle_names(|_| None, script.now);
    assert!(script.machine.misses_names());
    assert!(script.changes().is_empty());
    script.machine.handle_names(name_of, script.now);
    assert!(!script.machine.misses_names());
    assert_eq!(script.changes(), ["+[0]"]);
    script.machine.handle_assigned(script.now);
    script.machine.handle_names(|_| None, script.now);
    assert!(!script.machine.misses_names() && script.changes().is_empty(), "it keeps its name");
}

#[test]
fn what_is_not_wanted_any_more_is_given_up_at_once_and_stays_so() {
    let mut script = Script::stable(settings(), &[0, 1]);
    script.want(&["u"]);
    assert_eq!(script.changes(), ["-[0, 1]"]);
    script.machine.handle_revoked(script.now);
    assert_eq!(script.changes(), ["+[]"]);
    script.machine.handle_assigned(script.now);
    let told = script.heartbeat();
    assert_eq!(told.topics, Some([TopicName::from("u")].into()));
    assert_eq!(told.owned, Some(PartitionsById::new()));
    // The coordinator has not thought about it yet.
    script.answer(1, Some(by_id(T, &[0, 1])));
    assert!(script.changes().is_empty());
    script.now += 5 * SECOND;
    script.heartbeat();
    script.answer(2, Some(by_id(U, &[3])));
    assert_eq!(script.changes(), ["+[3]"]);
}

/// Java's ConsumerMembershipManager: `onPartitionsAssigned` ends each reconciliation, as under the
/// classic protocol.
#[test]
fn whoever_joins_or_gives_something_up_hears_of_an_assignment_even_of_nothing() {
    let mut script = Script::new(settings());
    script.want(&["t"]);
    script.heartbeat();
    script.answer(1, Some(PartitionsById::new()));
    assert_eq!(script.changes(), ["+[]"]);
    script.machine.handle_assigned(script.now);
    assert!(script.changes().is_empty(), "once");
    script.now += 5 * SECOND;
    script.heartbeat();
    script.answer(2, Some(by_id(T, &[0, 1])));
    assert_eq!(script.changes(), ["+[0, 1]"]);
    script.machine.handle_assigned(script.now);
    script.heartbeat();
    script.answer(3, Some(by_id(T, &[1])));
    assert_eq!(script.changes(), ["-[0]"]);
    script.machine.handle_revoked(script.now);
    assert_eq!(script.changes(), ["+[]"]);
    script.machine.handle_assigned(script.now);
    assert_eq!(script.heartbeat().owned, Some(by_id(T, &[1])));
    // Who was forgotten begins anew.
    script.fail(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.changes(), ["lost [1]"]);
    script.heartbeat();
    script.answer(1, Some(PartitionsById::new()));
    assert_eq!(script.changes(), ["+[]"]);
}

#[test]
fn leaving_gives_everything_up_first_and_says_for_how_long() {
    use GroupMembershipOperation::{Default, LeaveGroup, RemainInGroup};
    for (instance, operation, epoch) in [
        (None, Default, Some(-1)),
        (None, LeaveGroup, Some(-1)),
        (None, RemainInGroup, None),
        (Some("i"), Default, Some(-2)),
        (Some("i"), LeaveGroup, Some(-1)),
        (Some("i"), RemainInGroup, Some(-2)),
    ] {
        let instance = instance.map(str::to_owned);
        let mut script = Script::stable(MemberSettings { instance, ..settings() }, &[0, 1]);
        script.machine.handle_close(operation, script.now);
        assert_eq!(script.changes(), ["-[0, 1]"]);
        assert!(!script.machine.is_away());
        script.machine.handle_revoked(script.now);
        let said: Vec<_> = epoch.map(|epoch| format!("leave {epoch}")).into_iter().collect();
        assert_eq!(script.changes(), said, "{operation:?}");
        assert!(script.machine.is_away() && !script.machine.can_commit());
    }
}

#[test]
fn a_member_that_leaves_and_is_forgotten_meanwhile_has_left() {
    let mut script = Script::stable(settings(), &[0]);
    script.machine.handle_wanted(None, script.now);
    assert_eq!(script.changes(), ["-[0]"]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.changes(), ["drop [0]"]);
    assert!(script.machine.is_away());
    // What the listener still has to say changes nothing, and a new wish joins.
    script.machine.handle_revoked(script.now);
    script.want(&["t"]);
    assert_eq!(script.heartbeat().epoch, 0);
}

#[test]
fn whoever_does_not_poll_leaves_and_comes_back_when_it_does() {
    let mut script = Script::stable(settings(), &[0]);
    script.now += 300 * SECOND;
    script.machine.handle_timeout(script.now);
    let told = [
        "lost [0]".to_owned(),
        "leave -1".to_owned(),
        format!("report {:?}", ErrorKind::MaxPollExceeded),
    ];
    assert_eq!(script.changes(), told);
    assert!(script.machine.is_idle());
    script.machine.handle_polled(script.now);
    assert_eq!(script.heartbeat().epoch, 0);
}

#[test]
fn what_only_the_application_can_change_is_reported_and_tried_again_when_it_polls() {
    for code in [
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::UNSUPPORTED_ASSIGNOR,
        ErrorCode::UNRELEASED_INSTANCE_ID,
        ErrorCode::INVALID_REQUEST,
        ErrorCode::UNSUPPORTED_VERSION,
        ErrorCode::GROUP_MAX_SIZE_REACHED,
        ErrorCode::GROUP_ID_NOT_FOUND,
    ] {
        let mut script = Script::new(settings());
        script.want(&["t"]);
        script.heartbeat();
        script.fail(code);
        assert_eq!(script.changes(), [format!("report {:?}", ErrorKind::Broker)], "{code}");
        assert!(script.machine.is_idle());
        script.machine.handle_polled(script.now);
        assert!(!script.is_due(), "after a pause");
        script.now += SECOND;
        script.heartbeat();
        script.answer(1, None);
        assert!(script.machine.can_commit());
    }
    let mut script = Script::stable(settings(), &[0]);
    script.now += 5 * SECOND;
    script.heartbeat();
    script.fail(ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(script.changes(), ["lost [0]".to_owned(), format!("fail {:?}", ErrorKind::Broker)]);
    script.machine.handle_polled(script.now);
    assert!(script.machine.heartbeat_by().is_none(), "for good");
}

#[test]
fn a_coordinators_nonsense_neither_spins_nor_silences_the_member() {
    for (interval, least) in [(Duration::ZERO, Duration::from_millis(100)), (Duration::MAX, SECOND)]
    {
        let mut script = Script::new(settings());
        script.want(&["t"]);
        script.heartbeat();
        let answer = HeartbeatAnswer { member: None, epoch: 1, interval, target: None };
        script.machine.handle_heartbeat(script.machine.attempt, Ok(answer), script.now);
        let due = script.machine.heartbeat_by().unwrap() - script.now;
        assert!(due >= least && due <= 600 * SECOND, "{interval:?} {due:?}");
    }
    let mut script = Script::new(settings());
    script.want(&["t"]);
    script.heartbeat();
    script.answer(0, None);
    assert_eq!(script.changes(), [format!("report {:?}", ErrorKind::Protocol)]);
}

#[test]
fn a_pattern_is_said_to_the_coordinator_which_knows_what_it_matches() {
    let mut script = Script::new(settings());
    let pattern = |text| WantedTopics {
        pattern: Some(Pattern::of_coordinator(text).unwrap()),
        ..WantedTopics::default()
    };
    script.machine.handle_wanted(Some(pattern("t.*")), script.now);
    let first = script.heartbeat();
    assert_eq!((first.topics, first.regex.as_deref()), (Some([].into()), Some("t.*")));
    script.answer(1, Some(by_id(T, &[0])));
    assert_eq!(script.changes(), ["+[0]"], "whatever it is called");
    script.machine.handle_assigned(script.now);
    assert_eq!(script.heartbeat().regex, None, "it has not changed");
    script.answer(1, None);

    script.machine.handle_wanted(Some(pattern("u.*")), script.now);
    assert_eq!(script.changes(), [""; 0], "the coordinator says what goes");
    let changed = script.heartbeat();
    assert_eq!((changed.topics, changed.regex.as_deref()), (None, Some("u.*")));
    script.answer(1, None);

    script.want(&["t"]);
    let named = script.heartbeat();
    assert_eq!(
        (named.topics, named.regex.as_deref()),
        (Some([TopicName::from("t")].into()), Some(""))
    );
}

/// Java's `ConsumerMembershipManager`: a member with an epoch revokes what it has when it leaves; one
/// without has lost it.
#[test]
fn what_a_member_that_goes_had_is_revoked_if_it_has_an_epoch_and_lost_once_if_not() {
    let fails = |code: ErrorCode| {
        move |script: &mut Script| {
            script.now += 5 * SECOND;
            script.heartbeat();
            script.fail(code);
        }
    };
    let retargets = |target: &'static [i32]| {
        move |script: &mut Script| {
            script.now += 5 * SECOND;
            script.heartbeat();
            script.answer(2, Some(by_id(T, target)));
        }
    };
    type Step = Box<dyn Fn(&mut Script)>;
    let cases: [(&str, Step, &[&str]); 8] = [
        ("stable", Box::new(|_| {}), &["-[0, 1]"]),
        ("in vain", Box::new(fails(ErrorCode::NOT_COORDINATOR)), &["-[0, 1]"]),
        ("while some goes", Box::new(retargets(&[0])), &["-[1]", "-[0]"]),
        ("while some comes", Box::new(retargets(&[0, 1, 2])), &["+[2]", "-[0, 1, 2]"]),
        ("fenced", Box::new(fails(ErrorCode::FENCED_MEMBER_EPOCH)), &["lost [0, 1]"]),
        ("unknown", Box::new(fails(ErrorCode::UNKNOWN_MEMBER_ID)), &["lost [0, 1]"]),
        ("refused", Box::new(fails(ErrorCode::GROUP_AUTHORIZATION_FAILED)), &["lost [0, 1]"]),
        ("fenced for good", Box::new(fails(ErrorCode::FENCED_INSTANCE_ID)), &["lost [0, 1]"]),
    ];
    for (name, step, expected) in cases {
        for closes in [true, false] {
            let mut script = Script::stable(settings(), &[0, 1]);
            step(&mut script);
            let mut told = script.changes();
            match closes {
                true => script.machine.handle_close(GroupMembershipOperation::Default, script.now),
                false => script.machine.handle_wanted(None, script.now),
            }
            told.extend(script.changes());
            script.machine.handle_revoked(script.now);
            told.extend(script.changes());
            told.retain(|what| what.starts_with(['+', '-']) || what.starts_with("lost"));
            assert_eq!(told, expected, "{name}, closes: {closes}");
        }
    }
}
