use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::consumer::assignor::MemberSubscription;

/// Inputs and the decisions of kafka-clients 4.3.1 (`RangeAssignor`, `RoundRobinAssignor`,
/// `StickyAssignor`, `CooperativeStickyAssignor`), one case a line. Of each partition, the racks of
/// its replicas, a letter each.
const VECTORS: &str = include_str!("vectors.jsonl");

struct Case {
    line: usize,
    topics: TopicRacks,
    members: Vec<GroupMember>,
    held: BTreeMap<String, OwnedPartitions>,
    java: Value,
}

impl Case {
    /// The members as they would join with this assignor.
    fn joining(&self, assignor: &Assignor) -> Vec<GroupMember> {
        let mut members = self.members.clone();
        for member in &mut members {
            join_with(member, assignor, self.held.get(&member.id));
        }
        members
    }

    fn java(&self, assignor: &Assignor) -> Assignments {
        let members = self.java[assignor.name()].as_object().unwrap();
        members.iter().map(|(id, partitions)| (id.clone(), partitions_of(partitions))).collect()
    }
}

/// The decision without user data.
fn assign(assignor: &Assignor, topics: &TopicRacks, members: &[GroupMember]) -> Assignments {
    let group = GroupSubscription::new(topics.clone(), members.to_vec());
    let decided = assignor.decide(&group).unwrap().into_iter();
    decided.map(|(id, assignment)| (id, assignment.partitions)).collect()
}

fn join_with(member: &mut GroupMember, assignor: &Assignor, held: Option<&OwnedPartitions>) {
    member.subscription.user_data = assignor.user_data(&BTreeSet::new(), held).unwrap();
    if assignor.is_cooperative() {
        member.subscription.owned_partitions =
            held.map(|held| held.partitions.clone()).unwrap_or_default();
    }
    member.subscription.generation = held.and_then(|held| held.generation);
}

fn cases() -> Vec<Case> {
    VECTORS.lines().zip(1..).map(|(text, line)| case(text, line)).collect()
}

fn case(text: &str, line: usize) -> Case {
    let java: Value = serde_json::from_str(text).unwrap();
    let letters =
        |racks: &Value| racks.as_str().unwrap().chars().map(|c| Arc::from(c.to_string())).collect();
    let topics = java["topics"].as_object().unwrap().iter();
    let topics = topics
        .map(|(topic, racks)| {
            (topic.into(), racks.as_array().unwrap().iter().map(letters).collect())
        })
        .collect();
    let mut held = BTreeMap::new();
    let mut members = Vec::new();
    for member in java["members"].as_array().unwrap() {
        let text = |key: &str| member[key].as_str().map(str::to_owned);
        let topics = member["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|topic| topic.as_str().unwrap().into())
            .collect();
        let id = text("id").unwrap();
        if let Some(generation) = member["generation"].as_i64() {
            let generation = Some(Generation(i32::try_from(generation).unwrap()));
            held.insert(
                id.clone(),
                OwnedPartitions { partitions: partitions_of(&member["owned"]), generation },
            );
        }
        let subscription =
            MemberSubscription { topics, rack: text("rack"), ..MemberSubscription::default() };
        members.push(GroupMember { id, group_instance_id: text("instance"), subscription });
    }
    Case { line, topics, members, held, java }
}

fn partitions_of(value: &Value) -> Vec<TopicPartition> {
    let numbers = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|n| i32::try_from(n.as_i64().unwrap()).unwrap())
            .collect()
    };
    let topics =
        value.as_object().unwrap().iter().map(|(topic, partitions)| (topic, numbers(partitions)));
    topics
        .flat_map(|(topic, ps): (_, Vec<i32>)| {
            ps.into_iter().map(move |p| TopicPartition::new(topic, p))
        })
        .collect()
}

/// Sum of squared loads: lower is more even.
fn unevenness(assignments: &Assignments) -> usize {
    assignments.values().map(|partitions| partitions.len().pow(2)).sum()
}

fn kept(assignments: &Assignments, held: &BTreeMap<String, OwnedPartitions>) -> usize {
    let kept = |(id, held): (&String, &OwnedPartitions)| {
        assignments
            .get(id)
            .map_or(0, |now| held.partitions.iter().filter(|tp| now.contains(tp)).count())
    };
    held.iter().map(kept).sum()
}

fn assert_is_complete(topics: &TopicRacks, members: &[GroupMember], result: &Assignments) {
    assert_eq!(result.len(), members.len());
    let mut seen = BTreeSet::new();
    for (id, partitions) in result {
        let member = members.iter().find(|member| member.id == *id).unwrap();
        for tp in partitions {
            assert!(member.subscription.topics.contains(&tp.topic), "{id} did not ask for {tp}");
            assert!(seen.insert(tp), "{tp} has two owners");
        }
    }
    for (topic, racks) in topics {
        if members.iter().any(|member| member.subscription.topics.contains(topic)) {
            for (_, partition) in racks.iter().zip(0..) {
                assert!(
                    seen.contains(&TopicPartition::new(topic.as_str(), partition)),
                    "{topic}-{partition} has no owner"
                );
            }
        }
    }
}

#[test]
fn range_and_round_robin_decide_as_javas() {
    for case in cases() {
        for assignor in [Assignor::Range, Assignor::RoundRobin] {
            let ours = assign(&assignor, &case.topics, &case.joining(&assignor));
            assert_eq!(ours, case.java(&assignor), "line {}, {}", case.line, assignor.name());
        }
    }
}

#[test]
fn sticky_decides_at_least_as_well_as_javas() {
    let (mut equal, mut total) = (0, 0);
    for case in cases() {
        let members = case.joining(&Assignor::Sticky);
        let ours = assign(&Assignor::Sticky, &case.topics, &members);
        let java = case.java(&Assignor::Sticky);
        assert_is_complete(&case.topics, &members, &ours);
        assert!(unevenness(&ours) <= unevenness(&java), "line {}: less even", case.line);
        if unevenness(&ours) == unevenness(&java)
            && !case.members.iter().any(|member| member.rack().is_some())
        {
            assert!(
                kept(&ours, &case.held) >= kept(&java, &case.held),
                "line {}: moves more",
                case.line
            );
        }
        let alike = case
            .members
            .windows(2)
            .all(|pair| pair[0].subscription.topics == pair[1].subscription.topics);
        if alike && case.held.is_empty() {
            assert_eq!(ours, java, "line {}", case.line);
        }
        total += 1;
        equal += usize::from(ours == java);
    }
    // The rest is equal in quality: where several are equally good, Java's choice follows the order
    // of its hash maps.
    assert!(equal * 100 >= total * 60, "equal in {equal} of {total} cases");
}

#[test]
fn cooperative_sticky_withholds_what_javas_withholds() {
    for case in cases() {
        let members = case.joining(&Assignor::CooperativeSticky);
        let ours = assign(&Assignor::CooperativeSticky, &case.topics, &members);
        let full = sticky::assign(&case.topics, &members, cooperative_sticky::held_of);
        let java = case.java(&Assignor::CooperativeSticky);
        // Java's decision before it withholds is not in the vectors; compare where ours is the same
        // as far as it is visible.
        let visible =
            java.iter().all(|(id, partitions)| partitions.iter().all(|tp| full[id].contains(tp)));
        if visible {
            assert_eq!(ours, java, "line {}", case.line);
        }
    }
}

#[test]
fn sticky_user_data_is_javas() {
    let tp = TopicPartition::new;
    let held = OwnedPartitions {
        partitions: vec![tp("b", 1), tp("a", 2), tp("b", 0)],
        generation: Some(Generation(5)),
    };
    let hex = |bytes: Option<Vec<u8>>| {
        bytes.unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(
        hex(Assignor::Sticky.user_data(&BTreeSet::new(), Some(&held)).unwrap()),
        "00000002000161000000010000000200016200000002000000000000000100000005"
    );
    assert_eq!(
        hex(Assignor::CooperativeSticky.user_data(&BTreeSet::new(), Some(&held)).unwrap()),
        "00000005"
    );
    assert_eq!(
        hex(Assignor::CooperativeSticky.user_data(&BTreeSet::new(), None).unwrap()),
        "ffffffff"
    );
    assert_eq!(Assignor::Sticky.user_data(&BTreeSet::new(), None).unwrap(), None);
}

#[test]
fn user_data_without_a_generation_still_counts() {
    let mut writer = super::super::consumer_protocol::MemberDataWriter::default();
    writer.partitions(&[TopicPartition::new("t", 3)]).unwrap();
    let mut member = GroupMember {
        id: "m".to_owned(),
        group_instance_id: None,
        subscription: MemberSubscription::default(),
    };
    member.subscription.user_data = Some(writer.0);
    assert_eq!(
        sticky::held_of(&member),
        OwnedPartitions { partitions: vec![TopicPartition::new("t", 3)], generation: None }
    );
    member.subscription.user_data = Some(vec![0, 0, 9]);
    assert_eq!(sticky::held_of(&member), OwnedPartitions::default());
}

#[test]
fn the_later_generation_keeps_what_two_members_claim() {
    let topics = TopicRacks::from([("t".into(), vec![Racks::new(); 2])]);
    let claim = |id: &str, generation| {
        let mut member = GroupMember {
            id: id.to_owned(),
            group_instance_id: None,
            subscription: MemberSubscription::default(),
        };
        member.subscription.topics = vec!["t".into()];
        member.subscription.owned_partitions = vec![TopicPartition::new("t", 0)];
        member.subscription.generation = Some(Generation(generation));
        member
    };
    let result = assign(&Assignor::CooperativeSticky, &topics, &[claim("a", 4), claim("b", 5)]);
    assert_eq!(result["b"], [TopicPartition::new("t", 0)]);
    let result = assign(&Assignor::CooperativeSticky, &topics, &[claim("a", 5), claim("b", 5)]);
    assert_eq!(
        result.values().flatten().collect::<Vec<_>>(),
        [&TopicPartition::new("t", 1)],
        "nobody may own t-0 until both gave it up"
    );
}

/// The processor time that so many decisions take for so many topics and 100 members that want them
/// all; the clock's where there is none of the thread's own, by which a machine with other things
/// to do makes a decision look slow.
fn time_of(assignor: &Assignor, topics: usize, decisions: usize) -> Duration {
    let names: Vec<TopicName> =
        (0..topics).map(|topic| TopicName::from(format!("topic-{topic:05}"))).collect();
    let member = |at| {
        let subscription =
            MemberSubscription { topics: names.clone(), ..MemberSubscription::default() };
        GroupMember { id: format!("m{at}"), group_instance_id: None, subscription }
    };
    let members: Vec<_> = (0..100).map(member).collect();
    let topics = names.iter().map(|name| (name.clone(), vec![Racks::new(); 2])).collect();
    let (begun, used) = (Instant::now(), processor_time());
    for _ in 0..decisions {
        assert_eq!(assign(assignor, &topics, &members).len(), 100);
    }
    processor_time().zip(used).map_or_else(|| begun.elapsed(), |(now, before)| now - before)
}

fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[test]
fn decisions_take_no_more_than_in_proportion_to_topics() {
    for assignor in
        [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky]
    {
        // As many topics either way: twenty times the time if it were quadratic.
        let (few, many) = (time_of(&assignor, 50, 20), time_of(&assignor, 1000, 1));
        assert!(
            many < few * 7,
            "{}: {few:?} for 20 times 50 topics, {many:?} for 1000",
            assignor.name()
        );
    }
}

fn group() -> impl Strategy<Value = (TopicRacks, Vec<GroupMember>)> {
    let topics = proptest::collection::vec(0_usize..12, 1..6);
    let members =
        proptest::collection::vec(proptest::collection::btree_set(0_usize..6, 1..6), 1..9);
    (topics, members).prop_map(|(topics, members)| {
        let name = |topic: usize| TopicName::from(format!("t{topic}"));
        let topics = topics
            .into_iter()
            .zip(0..)
            .map(|(count, at)| (name(at), vec![Racks::new(); count]))
            .collect();
        let member = |(wants, at): (BTreeSet<usize>, usize)| {
            let subscription = MemberSubscription {
                topics: wants.into_iter().map(name).collect(),
                ..MemberSubscription::default()
            };
            GroupMember { id: format!("m{at}"), group_instance_id: None, subscription }
        };
        (topics, members.into_iter().zip(0..).map(member).collect())
    })
}

/// The same, with members and replicas on three racks, some of which are not known.
fn group_on_racks() -> impl Strategy<Value = (TopicRacks, Vec<GroupMember>)> {
    let replicas = proptest::collection::vec(0_u8..8, 60);
    let homes = proptest::collection::vec(0_usize..4, 9);
    (group(), replicas, homes, any::<bool>()).prop_map(|(group, replicas, homes, is_alike)| {
        let (mut topics, mut members) = group;
        if is_alike {
            // Topics that are co-partitioned: as many partitions each, and all wanted by all.
            let count = topics.values().next().map_or(0, Vec::len);
            topics.values_mut().for_each(|partitions| partitions.resize(count, Racks::new()));
            for member in &mut members {
                member.subscription.topics = topics.keys().cloned().collect();
            }
        }
        for (racks, bits) in topics.values_mut().flatten().zip(replicas) {
            let there = RACKS.into_iter().zip(0..).filter(|(_, bit)| bits & (1 << bit) != 0);
            racks.extend(there.map(|(rack, _)| Arc::from(rack)));
        }
        for (member, home) in members.iter_mut().zip(homes) {
            member.subscription.rack = RACKS.get(home).map(ToString::to_string);
        }
        (topics, members)
    })
}

const RACKS: [&str; 3] = ["a", "b", "c"];

fn without_racks(members: &[GroupMember]) -> Vec<GroupMember> {
    let mut members = members.to_vec();
    for member in &mut members {
        member.subscription.rack = None;
    }
    members
}

/// Of each topic, how many of its partitions members have, the fewest first.
fn sizes_by_topic(assignments: &Assignments) -> BTreeMap<&TopicName, Vec<usize>> {
    let mut sizes: BTreeMap<&TopicName, BTreeMap<&str, usize>> = BTreeMap::new();
    for (id, tp) in assignments.iter().flat_map(|(id, all)| all.iter().map(move |tp| (id, tp))) {
        *sizes.entry(&tp.topic).or_default().entry(id).or_default() += 1;
    }
    let sorted = |counts: BTreeMap<&str, usize>| {
        let mut sizes: Vec<usize> = counts.into_values().collect();
        sizes.sort_unstable();
        sizes
    };
    sizes.into_iter().map(|(topic, counts)| (topic, sorted(counts))).collect()
}

proptest! {
    /// KIP-881: racks decide who gets which, never how many of a topic one gets.
    #[test]
    fn racks_cost_range_no_partition_and_no_evenness((topics, members) in group_on_racks()) {
        let result = assign(&Assignor::Range, &topics, &members);
        assert_is_complete(&topics, &members, &result);
        let plain = assign(&Assignor::Range, &topics, &without_racks(&members));
        prop_assert_eq!(sizes_by_topic(&result), sizes_by_topic(&plain));
    }

    #[test]
    fn racks_cost_the_sticky_ones_no_partition_and_no_evenness((topics, members) in group_on_racks()) {
        for assignor in [Assignor::Sticky, Assignor::CooperativeSticky] {
            let result = assign(&assignor, &topics, &members);
            assert_is_complete(&topics, &members, &result);
            let plain = assign(&assignor, &topics, &without_racks(&members));
            prop_assert_eq!(unevenness(&result), unevenness(&plain), "{}", assignor.name());
        }
    }

    /// Whoever finds a replica of every partition on its rack gains nothing by racks.
    #[test]
    fn racks_that_cannot_help_change_nothing((mut topics, members) in group_on_racks()) {
        for racks in topics.values_mut().flatten() {
            *racks = RACKS.map(Arc::from).into();
        }
        for assignor in [Assignor::Range, Assignor::Sticky] {
            prop_assert_eq!(assign(&assignor, &topics, &members), assign(&assignor, &topics, &without_racks(&members)));
        }
    }

    #[test]
    fn every_partition_that_is_wanted_has_one_owner_that_wants_it((topics, members) in group()) {
        for assignor in [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky] {
            assert_is_complete(&topics, &members, &assign(&assignor, &topics, &members));
        }
    }

    #[test]
    fn no_single_move_makes_sticky_more_even((topics, members) in group()) {
        let result = assign(&Assignor::Sticky, &topics, &members);
        for from in result.values() {
            for to in &members {
                let movable = from.iter().any(|tp| to.subscription.topics.contains(&tp.topic));
                prop_assert!(!movable || from.len() <= result[&to.id].len() + 1);
            }
        }
    }

    #[test]
    fn sticky_moves_nothing_when_nothing_changed((topics, mut members) in group()) {
        let first = assign(&Assignor::Sticky, &topics, &members);
        for member in &mut members {
            let held = OwnedPartitions { partitions: first[&member.id].clone(), generation: Some(Generation(1)) };
            join_with(member, &Assignor::Sticky, Some(&held));
        }
        prop_assert_eq!(assign(&Assignor::Sticky, &topics, &members), first);
    }

    #[test]
    fn cooperative_rebalances_settle_and_never_give_an_owned_partition((topics, members) in group(), leaving in any::<prop::sample::Index>()) {
        let assignor = Assignor::CooperativeSticky;
        let gone = leaving.index(members.len());
        let mut held: BTreeMap<String, OwnedPartitions> = BTreeMap::new();
        let mut rounds = 0;
        let mut generation = 0;
        let mut now = members.clone();
        for fetch_state in 0..3 {
            // First all, then without one, then all again.
            now.clone_from(&members);
            if fetch_state == 1 && members.len() > 1 {
                held.remove(&now.remove(gone).id);
            }
            loop {
                rounds += 1;
                generation += 1;
                prop_assert!(rounds < 12, "does not settle");
                for member in &mut now {
                    join_with(member, &assignor, held.get(&member.id));
                }
                let result = assign(&assignor, &topics, &now);
                for (id, partitions) in &result {
                    for (other, other_held) in &held {
                        prop_assert!(
                            other == id || !partitions.iter().any(|tp| other_held.partitions.contains(tp)),
                        );
                    }
                }
                let mut revoked = false;
                for (id, partitions) in result {
                    let before = held.insert(id, OwnedPartitions { partitions: partitions.clone(), generation: Some(Generation(generation)) });
                    revoked |= before.is_some_and(|before| before.partitions.iter().any(|tp| !partitions.contains(tp)));
                }
                if !revoked {
                    break;
                }
            }
            let settled = held.iter().map(|(id, held)| (id.clone(), held.partitions.clone())).collect();
            assert_is_complete(&topics, &now, &settled);
        }
    }
}
