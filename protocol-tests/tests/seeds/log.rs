//! What happened in a run, in order, on the virtual clock.

use std::fmt::Display;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// The event log of one run; clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    started: Instant,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    all: Vec<String>,
    wrongs: usize,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), lines: Arc::default() }
    }

    pub(crate) fn say(&self, what: impl Display) {
        let at = self.started.elapsed().as_millis();
        self.lines.lock().unwrap().all.push(format!("{at:>7} {what}"));
    }

    /// Notes that a promise was broken.
    pub(crate) fn wrong(&self, what: impl Display) {
        self.say(format_args!("WRONG {what}"));
        self.lines.lock().unwrap().wrongs += 1;
    }

    pub(crate) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub(crate) fn wrongs(&self) -> usize {
        self.lines.lock().unwrap().wrongs
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().all.clone()
    }
}
