//! Scripts of raw requests with what a broker answers to each: the same for the embedded cluster
//! and for real Kafka.
//!
//! `real` plays them on Apache Kafka, which is right where they differ. Each script has a world of
//! its own.

mod contents;
mod fencing;
mod protocols;

use super::world::{Answer, Producer};

pub(super) use contents::*;
pub(super) use fencing::*;
pub(super) use protocols::*;

/// What was answered, a line each.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn say<T: std::fmt::Debug>(&mut self, what: &str, answer: &Answer<T>) {
        let answer = match answer {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error:?}"),
        };
        self.0.push(format!("{what}: {answer}"));
    }

    /// Tells the epoch of a producer, and its id only if it is another one.
    fn say_producer(&mut self, what: &str, of: Producer, answer: &Answer<Producer>) {
        match answer {
            Ok((id, epoch)) if *id == of.0 => self.say(what, &Ok(epoch)),
            Ok((-1, epoch)) => self.say(what, &Ok(("no id", epoch))),
            Ok((_, epoch)) => self.say(what, &Ok(("another id", epoch))),
            Err(error) => self.say::<()>(what, &Err(*error)),
        }
    }
}
