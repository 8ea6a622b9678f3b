//! Shares as even as may be for members with different subscriptions, with few moves: Kafka's
//! `UniformHeterogeneousAssignmentBuilder`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Partitions, Plan, take};

/// Kafka's `MAX_ITERATION_COUNT`.
const ROUNDS: usize = 16;

/// A topic and how many subscribe to it.
type Subscribed<'a> = (Uuid, Vec<&'a str>);

pub(super) fn assign(plan: &Plan) -> BTreeMap<String, Partitions> {
    let mut targets: BTreeMap<String, Partitions> = plan
        .members
        .iter()
        .map(|(id, member)| {
            let mut target = member.target.clone();
            target.retain(|topic, _| member.topics.contains(topic));
            (id.clone(), target)
        })
        .collect();
    let topics = in_order(plan);
    for (topic, members) in &topics {
        let ranks = ranks(&targets, members);
        for partition in 0..plan.size(topic) {
            if owner(&targets, topic, partition).is_some() {
                continue;
            }
            if let Some(to) = least(&targets, &ranks) {
                targets.entry(to).or_default().entry(*topic).or_default().insert(partition);
            }
        }
    }
    for _ in 0..ROUNDS {
        let mut has_moved = false;
        for (topic, members) in topics.iter().filter(|(_, members)| members.len() > 1) {
            has_moved |= balance(&mut targets, topic, members);
        }
        if !has_moved {
            break;
        }
    }
    targets
}

/// Topics with many partitions for each subscriber first, then those with few subscribers.
fn in_order(plan: &Plan) -> Vec<Subscribed<'_>> {
    let topics: BTreeSet<Uuid> =
        plan.members.values().flat_map(|member| member.topics.iter().copied()).collect();
    let mut order: Vec<Subscribed<'_>> = topics
        .into_iter()
        .map(|topic| {
            let members = plan.members.iter().filter(|(_, one)| one.topics.contains(&topic));
            (topic, members.map(|(id, _)| id.as_str()).collect())
        })
        .collect();
    order.sort_by(|(one, ones), (other, others)| {
        let share = |topic: &Uuid, members: &[&str]| {
            f64::from(plan.size(topic)) / f64::from(u32::try_from(members.len()).unwrap_or(1))
        };
        let by_share = share(other, others).total_cmp(&share(one, ones));
        by_share.then(ones.len().cmp(&others.len())).then(one.cmp(other))
    });
    order
}

/// Moves partitions of a topic from who has most to who has least, until they differ by one.
fn balance(targets: &mut BTreeMap<String, Partitions>, topic: &Uuid, members: &[&str]) -> bool {
    let ranks = ranks(targets, members);
    let mut has_moved = false;
    loop {
        let Some(to) = least(targets, &ranks) else { return has_moved };
        let givers = ranks
            .iter()
            .filter(|(id, _)| targets.get(**id).is_some_and(|target| target.contains_key(topic)));
        let most = givers.max_by_key(|(id, rank)| (load(targets, id), **rank));
        let Some((from, _)) = most else { return has_moved };
        if load(targets, from) <= load(targets, &to) + 1 {
            return has_moved;
        }
        let from = (*from).to_owned();
        let Some(target) = targets.get_mut(&from) else { return has_moved };
        let Some(last) = target.get(topic).and_then(|of| of.last().copied()) else {
            return has_moved;
        };
        take(target, topic, last);
        targets.entry(to).or_default().entry(*topic).or_default().insert(last);
        has_moved = true;
    }
}

/// The places of the members by their loads as they are now, which settle later ties.
fn ranks<'a>(
    targets: &BTreeMap<String, Partitions>,
    members: &[&'a str],
) -> BTreeMap<&'a str, usize> {
    let mut order = members.to_vec();
    order.sort_by_key(|id| load(targets, id));
    order.into_iter().enumerate().map(|(rank, id)| (id, rank)).collect()
}

fn least(targets: &BTreeMap<String, Partitions>, ranks: &BTreeMap<&str, usize>) -> Option<String> {
    let first = ranks.iter().max_by_key(|(id, rank)| Reverse((load(targets, id), **rank)));
    first.map(|(id, _)| (*id).to_owned())
}

fn load(targets: &BTreeMap<String, Partitions>, id: &str) -> usize {
    targets.get(id).map_or(0, |target| target.values().map(BTreeSet::len).sum())
}

fn owner<'a>(
    targets: &'a BTreeMap<String, Partitions>,
    topic: &Uuid,
    partition: i32,
) -> Option<&'a String> {
    let has = |target: &Partitions| target.get(topic).is_some_and(|of| of.contains(&partition));
    targets.iter().find(|(_, target)| has(target)).map(|(id, _)| id)
}
