//! What everybody was told, and whether it is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::{INPUT, OUTPUT, Stage};

/// What writers were told of their transactions.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    told: BTreeMap<String, Told>,
    /// Records that no transaction has taken.
    refused: BTreeSet<String>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The values that it has taken from each of its senders, in their order.
    pub(super) senders: Vec<Vec<(i32, String)>>,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The commit returned.
    Committed,
    /// The abort returned, or no commit was ever asked for.
    NotCommitted,
    /// A commit was asked for, and its end was not told.
    Unknown,
}

impl Ledger {
    pub(super) fn tell(&self, name: &str, told: Told) {
        self.entries.lock().unwrap().told.insert(name.to_owned(), told);
    }

    pub(super) fn refused(&self, value: String) {
        self.entries.lock().unwrap().refused.insert(value);
    }

    pub(super) fn check(&self, stage: &Stage) {
        let log = &stage.world.log;
        let entries = self.entries.lock().unwrap();
        let committed: Vec<Vec<String>> =
            (0..stage.partitions).map(|partition| stage.committed(INPUT, partition)).collect();
        let visible: BTreeSet<&String> = committed.iter().flatten().collect();
        let count: usize = committed.iter().map(Vec::len).sum();
        log.check(count == visible.len(), || "something is committed twice".to_owned());
        for (name, told) in &entries.told {
            let values = || told.senders.iter().flatten();
            let seen = values().filter(|(_, value)| visible.contains(value)).count();
            let all = values().count();
            let holds = match told.outcome {
                Outcome::Committed => seen == all,
                Outcome::NotCommitted => seen == 0,
                Outcome::Unknown => seen == 0 || seen == all,
            };
            log.check(holds, || {
                format!("transaction {name} is {:?}, but {seen} of {all} are seen", told.outcome)
            });
            for sent in &told.senders {
                log.check(is_in_order(sent, &committed), || {
                    format!("transaction {name} is out of order: {sent:?}")
                });
            }
        }
        for value in entries.refused.iter().filter(|value| visible.contains(value)) {
            log.wrong(format_args!("{value} was refused, and is committed"));
        }
        let known: BTreeSet<&String> = entries
            .told
            .values()
            .flat_map(|told| told.senders.iter().flatten())
            .map(|(_, value)| value)
            .collect();
        for value in visible.difference(&known) {
            log.wrong(format_args!("nobody was told of {value}"));
        }
        let commits = entries.told.values().filter(|told| told.outcome == Outcome::Committed);
        let commits = commits.count();
        log.say(format_args!("{commits} of {} transactions committed", entries.told.len()));
        check_copies(stage, &committed);
    }
}

/// Whether each partition has what one sender has sent there in its order, if at all.
fn is_in_order(sent: &[(i32, String)], committed: &[Vec<String>]) -> bool {
    (0..).zip(committed).all(|(partition, values)| {
        let here = sent.iter().filter(|(at, _)| *at == partition);
        let sent: Vec<_> = here.map(|(_, value)| value).collect();
        let got: Vec<_> = values.iter().filter(|value| sent.contains(value)).collect();
        got.is_empty() || got == sent
    })
}

/// Each input is copied exactly once, and in its order.
fn check_copies(stage: &Stage, inputs: &[Vec<String>]) {
    for (partition, input) in (0..).zip(inputs) {
        let output = stage.committed(OUTPUT, partition);
        let differs = input.iter().zip(&output).position(|(from, to)| from != to);
        stage.world.log.check(input == &output, || {
            format!(
                "partition {partition}: {} in, {} out, from {differs:?} on they differ: {:?} {:?}",
                input.len(),
                output.len(),
                differs.map(|at| &input[at]),
                differs.map(|at| &output[at])
            )
        });
    }
}
