//! Scripts of raw requests with what a broker answers to each: the same for the embedded cluster
//! and for real Kafka.
//!
//! `real` plays them on Apache Kafka 4.3, which is right where they differ. Each script has a world
//! of its own. Members have ids of one letter, which Java's hashes keep in their order.

mod assignors;
mod epochs;
mod membership;
mod mixed;
mod offsets;
mod requests;
mod statics;
mod subscriptions;
mod transactions;

use super::super::scripted::Said;

pub(super) use assignors::*;
pub(super) use epochs::*;
pub(super) use membership::*;
pub(super) use mixed::*;
pub(super) use offsets::*;
pub(super) use requests::*;
pub(super) use statics::*;
pub(super) use subscriptions::*;
pub(super) use transactions::*;
