//! The tries of one operation: how many have failed, and the pause before the next.

use std::future::Future;
use std::time::Instant;

use super::Cluster;
use super::retry::Backoff;
use crate::clock::Random;
use crate::error::Result;
use crate::runtime;

/// What an operation that asks again keeps between its tries.
pub(crate) struct Retries<'a> {
    cluster: &'a Cluster,
    backoff: Backoff,
    random: Random,
    deadline: Instant,
    failures: u32,
}

impl Cluster {
    /// The tries of an operation, by `retry.backoff.ms` and `retry.backoff.max.ms`, of which none
    /// begins at the deadline or later.
    pub(crate) fn retries(&self, deadline: Instant) -> Retries<'_> {
        Retries {
            cluster: self,
            backoff: self.retry_backoff(),
            random: self.random(),
            deadline,
            failures: 0,
        }
    }
}

impl<'a> Retries<'a> {
    /// Counts a failure; returns the wait for the next try, or `None` if there is no time for one.
    ///
    /// # Errors
    /// Of the wait: [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the client ends meanwhile.
    pub(crate) fn pause(&mut self) -> Option<impl Future<Output = Result<()>> + use<'a>> {
        self.failures = self.failures.saturating_add(1);
        let again = runtime::now() + self.backoff.after(self.failures, &mut self.random);
        (again < self.deadline).then(|| self.cluster.while_open(runtime::sleep_until(again)))
    }

    /// How many tries have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}
