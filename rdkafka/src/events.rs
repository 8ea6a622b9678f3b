//! What happens inside of a client and is told to the program when it polls, on its own thread, as
//! librdkafka does it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::client::{ClientContext, OAuthToken};
use crate::error::KafkaError;
use crate::log::debug;
use crate::runtime::Wakers;

/// How many events wait before one that may be missed is (a guess).
const ROOM: usize = 10_000;

/// What concerns any client.
#[derive(Debug)]
pub(crate) enum ClientEvent {
    /// A token is needed.
    Token { config: Option<String>, reply: oneshot::Sender<Result<OAuthToken, String>> },
    /// librdkafka's JSON.
    Statistics(String),
    /// Something went wrong that no call can tell of.
    Error(KafkaError, String),
}

impl ClientEvent {
    pub(crate) fn serve<C: ClientContext>(self, context: &C) {
        match self {
            Self::Token { config, reply } => {
                let token = context.generate_oauth_token(config.as_deref());
                if reply.send(token.map_err(|error| error.to_string())).is_err() {
                    debug!("nobody waits for the token any more");
                }
            }
            Self::Statistics(json) => context.stats_raw(json.as_bytes()),
            Self::Error(error, reason) => context.error(error, &reason),
        }
    }
}

/// Events in their order, and who waits for them.
#[derive(Debug)]
pub(crate) struct Events<E> {
    queue: Mutex<VecDeque<E>>,
    wakers: Arc<Wakers>,
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { queue: Mutex::default(), wakers: Arc::default() }
    }
}

impl<E> Events<E> {
    pub(crate) fn push(&self, event: E) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        self.wakers.wake_all();
    }

    /// Tells what may be missed by a program that does not poll.
    pub(crate) fn offer(&self, event: E) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < ROOM {
            queue.push_back(event);
            drop(queue);
            self.wakers.wake_all();
        }
    }

    pub(crate) fn pop(&self) -> Option<E> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(crate) fn wakers(&self) -> &Arc<Wakers> {
        &self.wakers
    }
}

/// Puts what concerns any client into the queue of one.
pub(crate) fn tell<E>(events: &Events<E>, event: ClientEvent, of: impl Fn(ClientEvent) -> E) {
    match event {
        // Somebody waits for it.
        ClientEvent::Token { .. } => events.push(of(event)),
        ClientEvent::Statistics(_) | ClientEvent::Error(..) => events.offer(of(event)),
    }
}
