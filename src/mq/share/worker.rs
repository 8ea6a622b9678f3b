//! What happens to one message of a share group: it waits for a place, its handler is called, and
//! the brokers are told what became of it. Its lock is renewed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{ShareHandlerOptions, ShareInner};
use crate::mq::calls;
use crate::mq::error::{Code, Error};
use crate::mq::handler::{ExhaustedAction, Handler, Outcome, is_in_vain};
use crate::mq::letters::{Delivered, GivenUp, LetterKind};
use crate::mq::message::Message;
use crate::runtime::{self, Runtime};
use crate::share::{AcknowledgeType, ShareRecord};

/// The workers of one handler. Cheap to clone.
#[derive(Clone)]
pub(super) struct Workers {
    inner: Arc<WorkersInner>,
}

struct WorkersInner {
    shared: Arc<ShareInner>,
    handler: Arc<dyn Handler>,
    options: ShareHandlerOptions,
    /// One task for each message.
    tasks: Runtime,
    /// For messages that are handled.
    places: Semaphore,
    /// For those, and some that wait.
    room: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Workers {
    pub(super) fn new(
        shared: Arc<ShareInner>,
        handler: Arc<dyn Handler>,
        options: ShareHandlerOptions,
        tasks: Runtime,
    ) -> Self {
        let most = options.at_once.min(Semaphore::MAX_PERMITS / 2);
        let inner = WorkersInner {
            stopping: shared.closing.child_token(),
            shared,
            handler,
            options,
            tasks,
            places: Semaphore::new(most),
            room: Arc::new(Semaphore::new(2 * most)),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn shared(&self) -> &ShareInner {
        &self.inner.shared
    }

    pub(super) fn handler(&self) -> &dyn Handler {
        self.inner.handler.as_ref()
    }

    /// Waits until one more message may be taken.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.inner.room).acquire_owned().await {
            Ok(room) => room,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Handles a message, when a place is free.
    pub(super) fn take(&self, record: ShareRecord, room: Option<OwnedSemaphorePermit>) {
        let workers = self.clone();
        self.inner.tasks.spawn(async move {
            let _room = room;
            workers.handle(record).await;
        });
    }

    pub(super) fn stop(&self) {
        self.inner.stopping.cancel();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.inner.stopping.is_cancelled()
    }

    pub(super) async fn stopping(&self) {
        self.inner.stopping.cancelled().await;
    }

    /// Waits until no message is in hand.
    pub(super) async fn join(&self) {
        self.inner.tasks.join().await;
    }

    async fn handle(&self, record: ShareRecord) {
        let said = tokio::select! {
            biased;
            said = self.process(&record) => said,
            () = keep_locked(&record) => return,
        };
        // What becomes of it the acknowledgement listener is told.
        drop(match said {
            AcknowledgeType::Accept => record.accept(),
            AcknowledgeType::Reject => record.reject(),
            _ => record.release(),
        });
    }

    /// Calls the handler, and does what its policy has for a message that it fails on.
    async fn process(&self, record: &ShareRecord) -> AcknowledgeType {
        let WorkersInner { shared, options, places, stopping, .. } = &*self.inner;
        let place = tokio::select! {
            biased;
            () = stopping.cancelled() => return AcknowledgeType::Release,
            place = places.acquire() => place,
        };
        let begun = runtime::now();
        let bytes = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
        let message = Message::shared(record);
        let failure = match calls::call(shared.caller(), self.handler(), message).await {
            Outcome::Continue => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return AcknowledgeType::Accept;
            }
            Outcome::Stop => {
                shared.meter.handled(bytes, runtime::now() - begun);
                self.stop();
                return AcknowledgeType::Accept;
            }
            Outcome::Produce(_) => Box::new(Error::new(
                Code::InvalidConfig,
                "the handler returns messages, which a share group cannot write exactly once",
            )),
            Outcome::Failed(failure) => failure,
        };
        drop(place);
        shared.meter.failed();
        let attempts = u32::from(record.delivery_count());
        let pause = options.policy.pause(attempts).filter(|_| !is_in_vain(failure.as_ref()));
        let (partition, offset) = (record.topic_partition(), record.offset());
        let Some(pause) = pause else { return self.give_up(record, failure.as_ref()).await };
        debug!(%failure, %partition, %offset, attempts, ?pause, "a handler failed, and the \
                                                                 message is released");
        tokio::select! {
            biased;
            () = stopping.cancelled() => {}
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
        AcknowledgeType::Release
    }

    /// What the policy has for a message that no attempt is left for.
    async fn give_up(
        &self,
        record: &ShareRecord,
        failure: &(dyn std::error::Error + Send + Sync),
    ) -> AcknowledgeType {
        let WorkersInner { shared, options, stopping, .. } = &*self.inner;
        let (partition, offset) = (record.topic_partition(), record.offset());
        let to = match &options.policy.resort {
            ExhaustedAction::Skip => {
                warn!(%failure, %partition, %offset, "a message is rejected");
                return AcknowledgeType::Reject;
            }
            ExhaustedAction::Stop => {
                error!(%failure, %partition, %offset, "a handler stops at a message it fails on");
                self.stop();
                return AcknowledgeType::Release;
            }
            ExhaustedAction::DeadLetter(to) => to.clone(),
        };
        let letter = GivenUp {
            message: Message::shared(record),
            to,
            as_what: LetterKind::Dead,
            why: failure.to_string(),
            topics: options.policy.retry_topics.clone(),
        };
        let gone = || stopping.cancelled();
        match shared.letters.deliver(&letter, shared.caller(), self.handler(), gone).await {
            Delivered::Written => {
                shared.meter.dead_letter();
                AcknowledgeType::Reject
            }
            Delivered::Stopped => {
                self.stop();
                AcknowledgeType::Release
            }
            Delivered::Abandoned => AcknowledgeType::Release,
        }
    }
}

/// Has the lock of a record begin anew before it runs out, again and again. Never returns: whoever
/// works on a record whose lock is lost ends that, and hears of it by its acknowledgement.
async fn keep_locked(record: &ShareRecord) {
    while let Some(left) = record.lock_time_left() {
        runtime::sleep_until(runtime::now() + (left / 2).max(SHORTEST)).await;
        if let Err(error) = record.renew().await {
            debug!(%error, offset = %record.offset(), "a lock cannot be renewed");
            break;
        }
    }
    std::future::pending().await
}

/// Locks are not renewed more often than this (a guess: brokers allow no lock of less than a second).
const SHORTEST: Duration = Duration::from_millis(100);
