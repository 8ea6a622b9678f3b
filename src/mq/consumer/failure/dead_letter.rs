//! Dead letters, and what is to be tried again later: messages that their handler has given up for
//! now or for ever, on their way to another topic.
//!
//! ```text
//!  given up ─▶ written ─▶ done                       in the queue, for as long as that takes a moment
//!                 │
//!                 └─ not yet ─▶ the partition is set aside, the queue goes on without it
//!                                   ├─▶ written ─▶ done, the partition comes again behind it
//!                                   └─▶ refused ─▶ told ─▶ tried again after growing pauses, until the partition goes
//! ```
//! A topic that is missing, or a broker that is, thus holds up what has a message for it, and
//! nothing else.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Disposition, conclude};
use crate::ids::{Offset, TopicPartition};
use crate::mq::consumer::progress::Part;
use crate::mq::consumer::shared::{ConsumerInner, stale};
use crate::mq::handler::RegisteredHandler;
use crate::mq::letters::{Delivered, GivenUp, LetterKind};
use crate::runtime::Runtime;

/// A message that its handler has given up.
pub(in crate::mq::consumer) struct Letter {
    pub(in crate::mq::consumer) shared: Arc<ConsumerInner>,
    pub(in crate::mq::consumer) registered: Arc<RegisteredHandler>,
    pub(in crate::mq::consumer) partition: TopicPartition,
    pub(in crate::mq::consumer) part: Arc<Part>,
    pub(in crate::mq::consumer) generation: u64,
    pub(in crate::mq::consumer) offsets: Range<Offset>,
    pub(in crate::mq::consumer) given_up: GivenUp,
}

/// Sends a letter: here if that is quick, else in a task of its own, while its partition is set
/// aside.
pub(in crate::mq::consumer) async fn post(letter: Letter, workers: &Runtime) -> Disposition {
    let (shared, partition, part) =
        (Arc::clone(&letter.shared), letter.partition.clone(), Arc::clone(&letter.part));
    let (registered, generation, offsets) =
        (Arc::clone(&letter.registered), letter.generation, letter.offsets.clone());
    let mut delivering = Box::pin(letter.deliver());
    if let Ok(fate) = tokio::time::timeout(MOMENT, &mut delivering).await {
        return fate;
    }
    shared.progress().set_aside(&partition);
    shared.hold_back(&partition);
    workers.spawn(async move {
        let fate = delivering.await;
        conclude(&shared, &registered, &part, generation, &fate, offsets);
    });
    Disposition::Elsewhere
}

impl Letter {
    async fn deliver(self) -> Disposition {
        let Self { shared, registered, part, generation, given_up, .. } = &self;
        let gone = || async {
            tokio::select! {
                () = shared.closing.cancelled() => {}
                () = stale(shared, part, *generation) => {}
            }
        };
        match shared
            .letters
            .deliver(given_up, shared.caller(), registered.handler.as_ref(), gone)
            .await
        {
            Delivered::Written => {
                if given_up.as_what == LetterKind::Dead {
                    shared.meter.dead_letter();
                }
                Disposition::Done
            }
            Delivered::Stopped => Disposition::Stop,
            Delivered::Abandoned => Disposition::Left,
        }
    }
}

/// How long a queue waits for a letter, before its partition is set aside (a guess: many times what a
/// broker needs).
const MOMENT: Duration = Duration::from_secs(1);
