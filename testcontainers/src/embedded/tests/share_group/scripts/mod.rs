//! What members of a share group ask, and what real Kafka 4.3 answers.

mod acknowledging;
mod acquiring;
mod counting;
mod membership;
mod sessions;
mod standing;
mod transactions;

use super::super::scripted::Said;

pub(super) use acknowledging::*;
pub(super) use acquiring::*;
pub(super) use counting::*;
pub(super) use membership::*;
pub(super) use sessions::*;
pub(super) use standing::*;
pub(super) use transactions::*;
