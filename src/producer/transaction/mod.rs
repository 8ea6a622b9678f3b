//! What a transactional producer may say to its coordinator, and what the answers mean.

mod machine;
mod reaction;
#[cfg(test)]
mod tests;

pub(in crate::producer) use machine::{
    OffsetsId, Phase, TransactionAction, TransactionEnd, TransactionMachine, TransactionProtocol,
    TransactionStatus,
};
pub(in crate::producer) use reaction::over;
