//! How the workers of a share group run a handler.

use crate::mq::error::{Code, Error, Result};
use crate::mq::handler::FailurePolicy;

/// Options for running a handler on a share group; see
/// [`ShareConsumer::subscribe_with`](super::ShareConsumer::subscribe_with).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareHandlerOptions {
    pub(super) policy: FailurePolicy,
    pub(super) at_once: usize,
}

impl Default for ShareHandlerOptions {
    fn default() -> Self {
        Self { policy: FailurePolicy::default(), at_once: 1 }
    }
}

impl ShareHandlerOptions {
    /// Creates the default options: one message at a time, and [`FailurePolicy::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many messages are handled at once (default 1; 0 counts as 1). Up to about three times
    /// as many are locked for this handler, and kept from other workers.
    #[must_use]
    pub fn at_once(mut self, messages: usize) -> Self {
        self.at_once = messages.max(1);
        self
    }

    /// Sets what happens to messages whose handling fails.
    ///
    /// A message that is to be tried again is released after the policy's pause, and goes to any
    /// worker of the group; attempts are counted by the brokers
    /// ([`Message::attempt`](crate::mq::Message::attempt)), which also count deliveries that ended
    /// otherwise, as by a crash. They give a message up after
    /// `group.share.delivery.count.limit` of them (default 5), whatever the policy says: allow fewer
    /// attempts to have its last resort. That is:
    /// - [`then_skip`](FailurePolicy::then_skip): the message is rejected;
    /// - [`then_dead_letter`](FailurePolicy::then_dead_letter): it is written to that topic, and then
    ///   rejected;
    /// - otherwise the message is released, and this handler stops.
    ///
    /// There are no [retry topics](FailurePolicy::then_retry_topics).
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.policy.retry_topics.names().next().is_none() {
            return Ok(());
        }
        Err(Error::new(
            Code::InvalidConfig,
            "FailurePolicy::then_retry_topics does not go with a share group, whose brokers deliver \
             a message again by themselves",
        ))
    }
}
