use super::*;
use crate::consumer::assignor::{Racks, RebalanceProtocol};
use crate::consumer::config::AssignmentStrategy;
use crate::error::ErrorKind;
use crate::ids::Generation;

type Assign = fn(&GroupSubscription) -> Result<GroupAssignment, &'static str>;

#[derive(Debug)]
struct Scripted(RebalanceProtocol, Assign);

impl PartitionAssignor for Scripted {
    fn name(&self) -> &str {
        "mine"
    }

    fn protocol(&self) -> RebalanceProtocol {
        self.0
    }

    fn subscription_user_data(&self, _: &BTreeSet<TopicName>) -> Option<Vec<u8>> {
        panic!("no data")
    }

    fn assign(
        &self,
        group: &GroupSubscription,
    ) -> Result<GroupAssignment, Box<dyn std::error::Error + Send + Sync>> {
        Ok((self.1)(group)?)
    }
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// `a` wants t and u, `b` wants t only; t has two partitions, u has one.
fn group() -> GroupSubscription {
    let topics = [("t".into(), vec![Racks::new(); 2]), ("u".into(), vec![Racks::new()])].into();
    GroupSubscription::new(
        topics,
        vec![GroupMember::new("a", ["t", "u"]), GroupMember::new("b", ["t"])],
    )
}

fn decided(assign: Assign) -> Result<GroupAssignment> {
    AssignmentStrategy::custom(Scripted(RebalanceProtocol::Eager, assign)).decide(&group())
}

fn of(
    member: &str,
    partitions: impl IntoIterator<Item = TopicPartition>,
) -> (String, MemberAssignment) {
    (member.to_owned(), MemberAssignment::new(partitions))
}

#[test]
fn a_member_that_is_left_out_is_assigned_nothing() {
    let decided = decided(|_| Ok([of("a", [tp("u", 0), tp("t", 1)])].into())).unwrap();
    assert_eq!(decided["a"].partitions, [tp("u", 0), tp("t", 1)]);
    assert_eq!(decided["b"], MemberAssignment::default());
}

#[test]
fn what_cannot_be_assigned_is_refused_in_one_sentence() {
    let cases: [(&str, Assign); 9] = [
        ("it assigned to \"c\", which is not a member of the group", |_| Ok([of("c", [])].into())),
        ("it assigned t-2 to \"b\", but the topic has 2 partitions", |_| {
            Ok([of("b", [tp("t", 2)])].into())
        }),
        ("it assigned t--1 to \"b\", but the topic has 2 partitions", |_| {
            Ok([of("b", [tp("t", -1)])].into())
        }),
        ("it assigned x-0 to \"b\", but the topic has 0 partitions", |_| {
            Ok([of("b", [tp("x", 0)])].into())
        }),
        ("it assigned u-0 to \"b\", which is not subscribed to the topic", |_| {
            Ok([of("b", [tp("u", 0)])].into())
        }),
        ("it assigned t-0 twice, to \"a\" and to \"b\"", |_| {
            Ok([of("a", [tp("t", 0)]), of("b", [tp("t", 0)])].into())
        }),
        ("it assigned t-0 twice, to \"a\" and to \"a\"", |_| {
            Ok([of("a", [tp("t", 0), tp("t", 0)])].into())
        }),
        ("it could not assign: no idea", |_| Err("no idea")),
        ("it panicked: index out of bounds: the len is 2 but the index is 7", |group| {
            Ok([of(&group.members[7].id, [])].into())
        }),
    ];
    for (fault, assign) in cases {
        let error = decided(assign).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), format!("the assignor \"mine\" has failed: {fault}"));
    }
}

#[test]
fn a_panic_on_user_data_is_an_error() {
    let assignor = AssignmentStrategy::custom(Scripted(RebalanceProtocol::Eager, |_| Err("")));
    let error = assignor.user_data(&BTreeSet::new(), None).unwrap_err();
    assert_eq!(error.to_string(), "the assignor \"mine\" has failed: it panicked: no data");
}

#[test]
fn a_cooperative_assignor_says_the_end_and_what_moves_waits_for_its_owner() {
    let mut group = group();
    let own = |member: &mut GroupMember, partitions: &[i32], generation| {
        member.subscription.owned_partitions = partitions.iter().map(|p| tp("t", *p)).collect();
        member.subscription.generation = Some(Generation(generation));
    };
    let swap: Assign = |_| Ok([of("a", [tp("t", 1)]), of("b", [tp("t", 0)])].into());
    let cooperative = AssignmentStrategy::custom(Scripted(RebalanceProtocol::Cooperative, swap));
    let shares = |group: &GroupSubscription, strategy: &AssignmentStrategy| {
        let decided = strategy.decide(group).unwrap().into_values();
        decided.map(|assignment| assignment.partitions.len()).collect::<Vec<_>>()
    };
    own(&mut group.members[0], &[0], 4);
    own(&mut group.members[1], &[1], 4);
    assert_eq!(shares(&group, &cooperative), [0, 0], "both are owned by the other");
    let eager = AssignmentStrategy::custom(Scripted(RebalanceProtocol::Eager, swap));
    assert_eq!(shares(&group, &eager), [1, 1]);
    own(&mut group.members[1], &[], 4);
    assert_eq!(shares(&group, &cooperative), [1, 0], "t-1 is free, t-0 is not");
    own(&mut group.members[1], &[0], 4);
    assert_eq!(
        shares(&group, &cooperative),
        [1, 0],
        "two own t-0 in one generation: neither gets it"
    );
    own(&mut group.members[1], &[0], 5);
    assert_eq!(shares(&group, &cooperative), [1, 1], "the later generation is right");
}

#[test]
fn strategies_are_equal_by_their_names() {
    let mine = || AssignmentStrategy::custom(Scripted(RebalanceProtocol::Eager, |_| Err("")));
    assert_eq!(mine(), mine());
    assert_ne!(mine(), AssignmentStrategy::Range);
}
