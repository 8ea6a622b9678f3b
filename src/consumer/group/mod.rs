//! Group membership.

mod assignor;
mod consumer_protocol;
