//! Members want different topics: keep what is owned, give the rest to the least loaded, then shift
//! along shortest paths.
//!
//! Think of a graph whose nodes are members and where an edge leads from one that has a partition
//! to every other that wants its topic. While some path leads from a member to one with at least
//! two partitions less, moving one partition along each edge of it makes the loads more even; when
//! there is none, no assignment is more even (it is an optimal semi-matching: every improvement
//! contains such a path). Shortest paths, and on an edge first the partitions that come home or
//! never belonged to the giver, keep the moves few. Each path lowers the sum of squared loads, so
//! it ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::AssignmentPlan;

pub(super) fn search(plan: &mut AssignmentPlan<'_>) {
    let mut search = Search::new(plan);
    let mut open: Vec<usize> =
        (0..plan.partitions.len()).filter(|&p| plan.owner[p].is_none()).collect();
    // Those that few members want first: they have the least choice.
    open.sort_by_key(|&p| search.wanted_by[plan.partitions[p].topic].len());
    if plan.racks_matter {
        open.retain(|&p| {
            !search.give_to_least_loaded(plan, p, |plan, member| {
                plan.suits(member, &plan.partitions[p])
            })
        });
    }
    for p in open {
        search.give_to_least_loaded(plan, p, |_, _| true);
    }
    search.level(plan);
}

struct Search {
    /// Members by topic.
    wanted_by: Vec<Vec<usize>>,
    /// Partitions by member and topic.
    has: Vec<BTreeMap<usize, BTreeSet<usize>>>,
    load: Vec<usize>,
    by_load: BTreeSet<(usize, usize)>,
}

impl Search {
    fn new(plan: &AssignmentPlan<'_>) -> Self {
        let topics = plan.partitions.last().map_or(0, |last| last.topic + 1);
        let wanted_by = (0..topics)
            .map(|topic| {
                (0..plan.members.len()).filter(|&m| plan.wants[m].contains(&topic)).collect()
            })
            .collect();
        let mut has = vec![BTreeMap::<usize, BTreeSet<usize>>::new(); plan.members.len()];
        let mut load = vec![0; plan.members.len()];
        for (p, owner) in plan.owner.iter().enumerate() {
            if let Some(owner) = *owner {
                has[owner].entry(plan.partitions[p].topic).or_default().insert(p);
                load[owner] += 1;
            }
        }
        let by_load = load.iter().copied().zip(0..).collect();
        Self { wanted_by, has, load, by_load }
    }

    fn give_to_least_loaded(
        &mut self,
        plan: &mut AssignmentPlan<'_>,
        p: usize,
        may: impl Fn(&AssignmentPlan<'_>, usize) -> bool,
    ) -> bool {
        let topic = plan.partitions[p].topic;
        let chosen = self
            .by_load
            .iter()
            .map(|&(_, member)| member)
            .find(|&member| plan.wants[member].contains(&topic) && may(plan, member));
        if let Some(member) = chosen {
            self.put(plan, p, member);
        }
        chosen.is_some()
    }

    fn put(&mut self, plan: &mut AssignmentPlan<'_>, p: usize, to: usize) {
        let topic = plan.partitions[p].topic;
        if let Some(from) = plan.owner[p].replace(to) {
            let of_topic = self.has[from].entry(topic).or_default();
            of_topic.remove(&p);
            if of_topic.is_empty() {
                self.has[from].remove(&topic);
            }
            self.change_load(from, self.load[from] - 1);
        }
        self.has[to].entry(topic).or_default().insert(p);
        self.change_load(to, self.load[to] + 1);
    }

    fn change_load(&mut self, member: usize, load: usize) {
        self.by_load.remove(&(self.load[member], member));
        self.load[member] = load;
        self.by_load.insert((load, member));
    }

    fn level(&mut self, plan: &mut AssignmentPlan<'_>) {
        loop {
            let heaviest_first: Vec<usize> =
                self.by_load.iter().rev().map(|&(_, member)| member).collect();
            let mut improved = false;
            for member in heaviest_first {
                while let Some(path) = self.path_from(member) {
                    improved = true;
                    // From its end, so that nobody gives what it has just been given.
                    for &(from, topic, to) in path.iter().rev() {
                        let Some(p) = self.best_to_move(plan, from, topic, to) else { break };
                        self.put(plan, p, to);
                    }
                }
            }
            if !improved {
                return;
            }
        }
    }

    /// The shortest way to shift one partition's worth of load from a member to one with at least
    /// two less.
    fn path_from(&self, start: usize) -> Option<Vec<(usize, usize, usize)>> {
        if self.by_load.first().is_none_or(|&(least, _)| least + 2 > self.load[start]) {
            return None;
        }
        let mut came_by: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut seen_topics = BTreeSet::new();
        let mut queue = VecDeque::from([start]);
        while let Some(from) = queue.pop_front() {
            let mut target: Option<usize> = None;
            for &topic in self.has[from].keys() {
                if !seen_topics.insert(topic) {
                    continue;
                }
                for &to in &self.wanted_by[topic] {
                    if to == start || came_by.contains_key(&to) {
                        continue;
                    }
                    came_by.insert(to, (from, topic));
                    queue.push_back(to);
                    if self.load[to] + 2 <= self.load[start]
                        && target.is_none_or(|best| self.load[to] < self.load[best])
                    {
                        target = Some(to);
                    }
                }
            }
            if let Some(target) = target {
                let mut path = Vec::new();
                let mut to = target;
                while let Some(&(from, topic)) = came_by.get(&to) {
                    path.insert(0, (from, topic, to));
                    to = from;
                }
                return Some(path);
            }
        }
        None
    }

    fn best_to_move(
        &self,
        plan: &AssignmentPlan<'_>,
        from: usize,
        topic: usize,
        to: usize,
    ) -> Option<usize> {
        let rank = |&p: &usize| {
            let partition = &plan.partitions[p];
            let home = partition.before == Some(to);
            let foreign = partition.before != Some(from);
            (home, foreign, plan.suits(to, partition), p)
        };
        self.has[from].get(&topic)?.iter().copied().max_by_key(rank)
    }
}
