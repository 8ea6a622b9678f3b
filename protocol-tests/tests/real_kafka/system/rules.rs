//! What the lines of a verifiable consumer must obey: the rules of Apache Kafka's own harness
//! (`ConsumerEventHandler` in kafkatest), and a few that it leaves out.

use std::collections::{BTreeMap, BTreeSet};

use kavka::TopicPartition;
use serde_json::Value;

/// How a member is told of its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    /// All at once, and all are given up before others come.
    Eager,
    /// What comes and what goes; nothing is read while it goes (KIP-429).
    Cooperative,
    /// What comes and what goes; the rest is read meanwhile (KIP-848).
    Reconciling,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Dead,
    Started,
    Rebalancing,
    Joined,
}

/// What a member has told.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) state: State,
    pub(super) listening: Listening,
    pub(super) assignment: BTreeSet<TopicPartition>,
    /// The next offset of each partition that was read since it was assigned.
    position: BTreeMap<TopicPartition, i64>,
    /// How often partitions came, over all its lives.
    pub(super) assigned: usize,
    /// How often partitions went, over all its lives.
    pub(super) revoked: usize,
}

/// The step back of a reader whose log was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepBack {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What the members of a group have told, as far as it goes for all of them.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) members: BTreeMap<usize, Member>,
    /// The end of what was read of each partition.
    pub(super) positions: BTreeMap<TopicPartition, i64>,
    pub(super) committed: BTreeMap<TopicPartition, i64>,
    read: BTreeMap<TopicPartition, Vec<(i64, i64)>>,
    pub(super) consumed: i64,
    /// The values of all records, of members that tell them.
    pub(super) values: Vec<String>,
    /// Where an unclean election may cut the log: the steps back of those who read it.
    pub(super) cuts: Option<Vec<StepBack>>,
    /// The first rule that was broken.
    pub(super) fault: Option<String>,
}

impl Books {
    pub(super) fn start(&mut self, slot: usize, listening: Listening) {
        let (assigned, revoked) =
            self.members.get(&slot).map_or((0, 0), |member| (member.assigned, member.revoked));
        let member = Member {
            state: State::Dead,
            listening,
            assignment: BTreeSet::new(),
            position: BTreeMap::new(),
            assigned,
            revoked,
        };
        self.members.insert(slot, member);
    }

    /// A line of a member; what it breaks is kept as the fault.
    pub(super) fn hear(&mut self, slot: usize, line: &str) {
        if let Err(fault) = self.try_to_hear(slot, line) {
            self.fault.get_or_insert(format!("member {slot}: {fault}: {line}"));
        }
    }

    pub(super) fn died(&mut self, slot: usize) {
        let Some(member) = self.members.get_mut(&slot) else { return };
        member.state = State::Dead;
        member.assignment.clear();
        member.position.clear();
    }

    pub(super) fn in_state(&self, state: State) -> BTreeSet<usize> {
        let members = self.members.iter().filter(|(_, member)| member.state == state);
        members.map(|(slot, _)| *slot).collect()
    }

    pub(super) fn owner(&self, partition: &TopicPartition) -> Option<usize> {
        let mut members = self.members.iter();
        members.find(|(_, member)| member.assignment.contains(partition)).map(|(slot, _)| *slot)
    }

    /// How often any member was assigned anything.
    pub(super) fn rebalances(&self) -> usize {
        self.members.values().map(|member| member.assigned).sum()
    }

    pub(super) fn position(&self) -> i64 {
        self.positions.values().sum()
    }

    /// What of the log nobody has read.
    pub(super) fn gaps(&self) -> Vec<(TopicPartition, i64, i64)> {
        let mut gaps = Vec::new();
        for (partition, ranges) in &self.read {
            let mut ranges = ranges.clone();
            ranges.sort_unstable();
            let mut next = 0;
            for (min, max) in ranges {
                if min > next {
                    gaps.push((partition.clone(), next, min));
                }
                next = next.max(max + 1);
            }
        }
        gaps
    }

    fn try_to_hear(&mut self, slot: usize, line: &str) -> Result<(), String> {
        let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let Some(member) = self.members.get_mut(&slot) else {
            return Err("was never started".into());
        };
        match event["name"].as_str().ok_or("has no name")? {
            "startup_complete" => member.state = State::Started,
            "shutdown_requested" => {}
            "shutdown_complete" => self.died(slot),
            "partitions_assigned" => member.assign(partitions(&event)?)?,
            "partitions_revoked" => member.revoke(&partitions(&event)?)?,
            "records_consumed" => self.consume(slot, &event)?,
            "offsets_committed" => self.commit(slot, &event)?,
            "record_data" => {
                self.values.push(event["value"].as_str().unwrap_or_default().into());
            }
            _ => return Err("is no event of a consumer".into()),
        }
        Ok(())
    }

    fn consume(&mut self, slot: usize, event: &Value) -> Result<(), String> {
        let member = self.members.get_mut(&slot).ok_or("was never started")?;
        if member.state != State::Joined {
            return Err(format!("reads while it is {:?}", member.state));
        }
        let mut all = 0;
        for part in list(event, "partitions")? {
            let partition = partition(part)?;
            let (count, min, max) =
                (number(part, "count")?, number(part, "minOffset")?, number(part, "maxOffset")?);
            if !member.assignment.contains(&partition) {
                return Err(format!("reads {partition}, which is not assigned"));
            }
            if count != max - min + 1 {
                return Err(format!("{count} records of {partition} are not {min} to {max}"));
            }
            let next = member.position.insert(partition.clone(), max + 1);
            match (next.filter(|next| *next != min), &mut self.cuts) {
                (None, _) => {}
                (Some(next), Some(cuts)) if next > min => {
                    cuts.push(StepBack { from: next, to: min });
                }
                (Some(next), _) => {
                    return Err(format!("reads {partition} from {min} and not from {next}"));
                }
            }
            if self.cuts.is_none()
                && let Some(committed) = self.committed.get(&partition).filter(|at| **at > min)
            {
                return Err(format!("reads {partition} from {min}, but {committed} is committed"));
            }
            self.read.entry(partition.clone()).or_default().push((min, max));
            let position = self.positions.entry(partition).or_insert(0);
            *position = if self.cuts.is_some() { max + 1 } else { (max + 1).max(*position) };
            all += count;
        }
        if number(event, "count")? != all {
            return Err(format!("{all} records are in its partitions"));
        }
        self.consumed += all;
        Ok(())
    }

    fn commit(&mut self, slot: usize, event: &Value) -> Result<(), String> {
        let member = self.members.get(&slot).ok_or("was never started")?;
        if event["success"] != true {
            return Ok(());
        }
        for part in list(event, "offsets")? {
            let (partition, offset) = (partition(part)?, number(part, "offset")?);
            if !member.assignment.contains(&partition) {
                return Err(format!("commits {partition}, which is not assigned"));
            }
            if member.position.get(&partition).is_none_or(|position| *position < offset) {
                return Err(format!("commits {offset} of {partition} and has not read so far"));
            }
            let committed = self.committed.entry(partition).or_insert(offset);
            // Lines of different members are not heard in their order.
            *committed = if self.cuts.is_some() { offset } else { offset.max(*committed) };
        }
        Ok(())
    }
}

impl Member {
    fn assign(&mut self, partitions: BTreeSet<TopicPartition>) -> Result<(), String> {
        let kept = match self.listening {
            Listening::Eager => self.assignment.iter().next(),
            Listening::Cooperative | Listening::Reconciling => {
                self.assignment.intersection(&partitions).next()
            }
        };
        if let Some(kept) = kept {
            return Err(format!("{kept} was not given up before"));
        }
        self.assigned += 1;
        self.state = State::Joined;
        self.assignment.extend(partitions);
        Ok(())
    }

    fn revoke(&mut self, partitions: &BTreeSet<TopicPartition>) -> Result<(), String> {
        if let Some(partition) = partitions.difference(&self.assignment).next() {
            return Err(format!("gives up {partition}, which is not assigned"));
        }
        self.revoked += 1;
        if self.listening != Listening::Reconciling {
            self.state = State::Rebalancing;
        }
        self.assignment.retain(|partition| !partitions.contains(partition));
        self.position.retain(|partition, _| !partitions.contains(partition));
        match (self.listening, self.assignment.iter().next()) {
            (Listening::Eager, Some(kept)) => Err(format!("keeps {kept}")),
            _ => Ok(()),
        }
    }
}

fn list<'a>(event: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    event[name].as_array().ok_or_else(|| format!("has no list {name}"))
}

fn number(event: &Value, name: &str) -> Result<i64, String> {
    event[name].as_i64().ok_or_else(|| format!("has no number {name}"))
}

fn partition(event: &Value) -> Result<TopicPartition, String> {
    let topic = event["topic"].as_str().ok_or("has no topic")?;
    let partition =
        i32::try_from(number(event, "partition")?).map_err(|error| error.to_string())?;
    Ok(TopicPartition::new(topic, partition))
}

fn partitions(event: &Value) -> Result<BTreeSet<TopicPartition>, String> {
    list(event, "partitions")?.iter().map(partition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = r#"{"name":"startup_complete"}"#;
    const ENDED: &str = r#"{"name":"shutdown_complete"}"#;

    fn moved(name: &str, partitions: &[i32]) -> String {
        let partitions: Vec<_> = partitions
            .iter()
            .map(|partition| format!(r#"{{"topic":"t","partition":{partition}}}"#))
            .collect();
        format!(r#"{{"name":"partitions_{name}","partitions":[{}]}}"#, partitions.join(","))
    }

    fn read(partition: i32, min: i64, max: i64) -> String {
        let count = max - min + 1;
        format!(
            r#"{{"name":"records_consumed","count":{count},"partitions":[{{"topic":"t","partition":{partition},"count":{count},"minOffset":{min},"maxOffset":{max}}}]}}"#
        )
    }

    fn committed(partition: i32, offset: i64) -> String {
        format!(
            r#"{{"name":"offsets_committed","success":true,"offsets":[{{"topic":"t","partition":{partition},"offset":{offset}}}]}}"#
        )
    }

    fn heard(listening: Listening, lines: &[String]) -> Books {
        let mut books = Books::default();
        books.start(1, listening);
        books.hear(1, STARTED);
        for line in lines {
            books.hear(1, line);
        }
        books
    }

    #[test]
    fn a_member_that_obeys_is_believed() {
        let lines = [
            moved("assigned", &[0, 1]),
            read(0, 0, 4),
            committed(0, 5),
            moved("revoked", &[0, 1]),
            moved("assigned", &[0]),
            read(0, 5, 9),
            ENDED.into(),
        ];
        let books = heard(Listening::Eager, &lines);
        assert_eq!(books.fault, None);
        assert_eq!((books.position(), books.consumed), (10, 10));
        assert_eq!(books.in_state(State::Dead), BTreeSet::from([1]));
        assert_eq!((books.rebalances(), books.gaps()), (2, vec![]));
    }

    #[test]
    fn each_broken_rule_is_told() {
        let assigned = || moved("assigned", &[0]);
        for (lines, fault) in [
            (vec![read(0, 0, 1)], "reads while it is Started"),
            (vec![assigned(), read(1, 0, 1)], "which is not assigned"),
            (vec![assigned(), read(0, 0, 1), read(0, 3, 4)], "from 3 and not from 2"),
            (vec![assigned(), read(0, 0, 1), read(0, 1, 4)], "from 1 and not from 2"),
            (vec![assigned(), read(0, 0, 1), committed(0, 3)], "has not read so far"),
            (vec![assigned(), committed(1, 0)], "which is not assigned"),
            (vec![assigned(), assigned()], "was not given up before"),
            (vec![moved("revoked", &[3])], "which is not assigned"),
            (vec![moved("assigned", &[0, 1]), moved("revoked", &[0])], "keeps"),
            (
                vec![
                    assigned(),
                    read(0, 0, 1),
                    committed(0, 2),
                    moved("revoked", &[0]),
                    assigned(),
                    read(0, 1, 1),
                ],
                "2 is committed",
            ),
        ] {
            let told = heard(Listening::Eager, &lines).fault.unwrap_or_default();
            assert!(told.contains(fault), "{fault:?} is not what was told: {told:?}");
        }
    }

    #[test]
    fn what_stays_is_read_on_and_what_nobody_read_is_a_gap() {
        let lines =
            [moved("assigned", &[0, 1]), read(1, 2, 4), moved("revoked", &[0]), read(1, 5, 6)];
        let books = heard(Listening::Reconciling, &lines);
        assert_eq!(books.fault, None);
        assert_eq!(books.gaps(), [(TopicPartition::new("t", 1), 0, 2)]);
        let books = heard(Listening::Cooperative, &lines);
        assert!(books.fault.unwrap_or_default().contains("Rebalancing"));
    }
}
