//! The cluster as clients see it, through kafka-protocol on both sides.

mod client;
mod consumer_group;
mod fault;
mod fetch;
mod group;
mod produce;
mod scripted;
mod share_group;
mod transaction;
mod versions;
