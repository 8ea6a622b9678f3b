//! What a client promises, by the names that a failure has.

use std::fmt;

/// A promise that a run checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// What was not handed to the application, or is still in its hands, is not committed.
    CommitsWhatIsDone,
    /// A commit that succeeded has committed what was handed over, and nothing older or newer.
    CommitHolds,
    /// Closing a consumer that commits by itself commits all that it was given.
    CloseCommits,
    /// Nothing between two records of a partition is left out, unless the application said so.
    SkipsNothing,
    /// What is delivered belongs to who gets it, and is what was written.
    DeliversItsOwn,
    /// Who waits for records gets those that there are.
    Delivers,
    /// Who waits for what cannot come is told why.
    Tells,
    /// A partition has one live owner.
    OneOwner,
    /// Every call ends by its deadline, or as soon as its handle, client or runtime has ended.
    CallsEnd,
    /// What need not fail does not.
    NoNeedlessError,
    /// A record has one verdict.
    OneVerdict,
    /// What was told of a record is what the logs hold.
    WrittenIsTrue,
    /// Nobody asks in a loop, and nobody spins.
    Rests,
    /// What has ended leaves no task.
    LeavesNothing,
    /// Nothing panics.
    NoPanic,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self:?}]")
    }
}
