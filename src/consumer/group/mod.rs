//! Group membership.

mod assignor;
mod classic;
mod commits;
mod consumer_protocol;
mod rpc;
