//! The assignor `simple`: every partition goes to as many members as there are for it, and every
//! member gets as many partitions as the others. Kafka's `SimpleAssignor`; where that goes by
//! hashes, this goes by ids.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::embedded::group::consumer::member::Partitions;

type OnePartition = (Uuid, i32);
type Assigned = BTreeMap<String, BTreeSet<OnePartition>>;

/// Assigns partitions to members, who are given with the topics that they want.
pub(super) fn assign(
    members: &BTreeMap<String, BTreeSet<Uuid>>,
    old: &BTreeMap<String, Partitions>,
    assignable: &Partitions,
) -> BTreeMap<String, Partitions> {
    let all: BTreeSet<Uuid> = members.values().flatten().copied().collect();
    let wants_all = |topics: &BTreeSet<Uuid>| *topics == all;
    let mut targets: BTreeMap<String, Partitions> =
        members.keys().map(|id| (id.clone(), Partitions::new())).collect();
    // Where all want the same, topics are shared out together, and each by itself where not.
    let rounds: Vec<BTreeSet<Uuid>> = if members.values().all(wants_all) {
        vec![all]
    } else {
        all.into_iter().map(|topic| BTreeSet::from([topic])).collect()
    };
    for topics in rounds {
        let who: Vec<&String> =
            members.iter().filter(|(_, wants)| topics.is_subset(wants)).map(|(id, _)| id).collect();
        for (id, partitions) in share_out(&who, &topics, old, assignable) {
            let target = targets.entry(id).or_default();
            for (topic, partition) in partitions {
                target.entry(topic).or_default().insert(partition);
            }
        }
    }
    targets
}

fn share_out(
    members: &[&String],
    topics: &BTreeSet<Uuid>,
    old: &BTreeMap<String, Partitions>,
    assignable: &Partitions,
) -> Assigned {
    let each = assignable.iter().filter(|(topic, _)| topics.contains(topic));
    let partitions: Vec<OnePartition> =
        each.flat_map(|(topic, of)| of.iter().map(|one| (*topic, *one))).collect();
    let sharing = if partitions.is_empty() { 0 } else { members.len().div_ceil(partitions.len()) };
    let mut assigned = Assigned::new();
    for id in members {
        let had = old.get(*id).into_iter().flatten().filter(|(topic, _)| topics.contains(topic));
        let had = had.flat_map(|(topic, of)| of.iter().map(|one| (*topic, *one)));
        let known = had.filter(|one| partitions.contains(one));
        assigned.insert((*id).clone(), known.collect());
    }
    let share = |index: usize| {
        let upto = |count: usize| (sharing * partitions.len() * count).div_ceil(members.len());
        upto(index + 1) - upto(index)
    };
    let shares: BTreeMap<&String, usize> =
        members.iter().enumerate().map(|(index, id)| (*id, share(index))).collect();
    for (id, has) in &mut assigned {
        while shares.get(id).is_some_and(|share| has.len() > *share) && has.pop_first().is_some() {}
    }
    for one in &partitions {
        let holders: Vec<String> = holders(&assigned, one);
        for id in holders.iter().take(holders.len().saturating_sub(sharing)) {
            if let Some(has) = assigned.get_mut(id) {
                has.remove(one);
            }
        }
    }
    fill(&mut assigned, &partitions, sharing, &shares);
    assigned
}

/// Gives partitions that too few have to members that have too few, in turn.
fn fill(
    assigned: &mut Assigned,
    partitions: &[OnePartition],
    sharing: usize,
    shares: &BTreeMap<&String, usize>,
) {
    let mut turn = 0;
    for one in partitions {
        let mut missing = sharing.saturating_sub(holders(assigned, one).len());
        while missing > 0 {
            let lacking: Vec<String> = assigned
                .iter()
                .filter(|(id, has)| shares.get(id).is_some_and(|share| has.len() < *share))
                .map(|(id, _)| id.clone())
                .collect();
            let able: Vec<&String> = lacking
                .iter()
                .filter(|id| assigned.get(*id).is_some_and(|has| !has.contains(one)))
                .collect();
            if able.is_empty() {
                break;
            }
            if let Some(id) = able.get(turn % able.len()) {
                assigned.entry((*id).clone()).or_default().insert(*one);
            }
            turn += 1;
            missing -= 1;
        }
    }
}

fn holders(assigned: &Assigned, one: &OnePartition) -> Vec<String> {
    assigned.iter().filter(|(_, has)| has.contains(one)).map(|(id, _)| id.clone()).collect()
}
