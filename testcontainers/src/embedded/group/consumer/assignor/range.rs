//! Ranges of each topic, static members first: Kafka's `RangeAssignor`.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Partitions, Plan};

/// A topic that is dealt out from its first partition on.
struct Dealt {
    next: i32,
    quota: i32,
    /// How many members get one more.
    extra: i32,
}

pub(super) fn assign(plan: &Plan) -> BTreeMap<String, Partitions> {
    let mut dealt = deal(plan);
    let mut order: Vec<_> = plan.members.iter().collect();
    order.sort_by_key(|(id, member)| (member.instance.is_none(), &member.instance, *id));
    let mut targets = BTreeMap::new();
    for (id, member) in order {
        let mut target = Partitions::new();
        for topic in &member.topics {
            let Some(topic_left) = dealt.get_mut(topic) else { continue };
            let extra = i32::from(topic_left.extra > 0);
            topic_left.extra -= extra;
            let end = (topic_left.next + topic_left.quota + extra).min(plan.size(topic));
            let range: BTreeSet<i32> = (topic_left.next..end).collect();
            topic_left.next = end;
            if !range.is_empty() {
                target.insert(*topic, range);
            }
        }
        targets.insert(id.clone(), target);
    }
    targets
}

fn deal(plan: &Plan) -> BTreeMap<Uuid, Dealt> {
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in plan.members.values().flat_map(|member| &member.topics) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let quota = |(topic, count): (Uuid, i32)| {
        let size = plan.size(&topic);
        (topic, Dealt { next: 0, quota: size / count, extra: size % count })
    };
    subscribers.into_iter().map(quota).collect()
}
