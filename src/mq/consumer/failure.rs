//! What becomes of a message: that it is done, or, of one that its handler has failed on, what its
//! policy has left for it.

use std::ops::Range;

use tracing::{debug, error, warn};

use super::progress::Part;
use super::shared::ConsumerInner;
use crate::consumer::ConsumerRecord;
use crate::ids::{Offset, TopicName};
use crate::mq::handler::{ExhaustedAction, RegisteredHandler};
use crate::mq::letters::LetterKind;
use crate::mq::message::Message;

mod dead_letter;

pub(super) use dead_letter::{Letter, post};

/// What became of a message.
pub(super) enum Disposition {
    Done,
    DoneAndStop,
    /// It is done once these are written.
    Produced(Vec<Message>),
    /// It is not done, and the handler stops.
    Stop,
    /// It is not done, and somebody else gets it, later: the partition goes, or the consumer is
    /// closed, and nothing after it is begun.
    Left,
    /// It is to go to another topic.
    Letter {
        to: TopicName,
        as_what: LetterKind,
        why: String,
    },
    /// It is still in hand, elsewhere, and its partition is set aside.
    Elsewhere,
}

impl Disposition {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::DoneAndStop)
    }

    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Stop | Self::DoneAndStop)
    }
}

/// Ends a message that was in hand elsewhere than in its queue; its partition may come again.
pub(super) fn conclude(
    shared: &ConsumerInner,
    registered: &RegisteredHandler,
    part: &Part,
    generation: u64,
    fate: &Disposition,
    offsets: Range<Offset>,
) {
    part.end(generation, fate.is_done().then_some(offsets));
    shared.has_settled();
    if fate.is_stop() {
        stop(shared, registered);
    }
}

/// What is left to do with a message that no attempt is left for where it is; if another is in vain
/// wherever that is, the last resort.
pub(super) fn give_up(
    registered: &RegisteredHandler,
    record: &ConsumerRecord,
    failure: &(dyn std::error::Error + Send + Sync),
    attempts: u32,
    is_in_vain: bool,
) -> Disposition {
    let (partition, offset, failures) = (record.topic_partition(), record.offset(), attempts);
    let later = registered.options.policy.retry_topics.after(record.topic());
    if let Some(to) = later.filter(|_| !is_in_vain) {
        let as_what = LetterKind::Retry { attempts };
        return Disposition::Letter { to: to.clone(), as_what, why: failure.to_string() };
    }
    match &registered.options.policy.resort {
        ExhaustedAction::Skip => {
            warn!(%failure, %partition, %offset, failures, "a message is passed over");
            Disposition::Done
        }
        ExhaustedAction::Stop => {
            error!(%failure, %partition, %offset, failures, "a handler stops at a message it \
                                                             fails on");
            Disposition::Stop
        }
        ExhaustedAction::DeadLetter(to) => {
            let as_what = LetterKind::Dead;
            Disposition::Letter { to: to.clone(), as_what, why: failure.to_string() }
        }
    }
}

pub(super) fn stop(shared: &ConsumerInner, registered: &RegisteredHandler) {
    let changed = shared.change(|handlers| {
        handlers.list.retain(|other| other.id != registered.id);
        Ok(())
    });
    if let Err(error) = changed {
        debug!(%error, "a handler stops while the consumer ends");
    }
}
