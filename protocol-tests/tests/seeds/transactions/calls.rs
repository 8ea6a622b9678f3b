//! Calls that must end in their time, or whose futures are dropped at any of their awaits.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

use crate::dice::Dice;
use crate::run::SLACK;

use super::Stage;

/// How a call ended.
pub(super) enum Called<T> {
    Ended(kavka::Result<T>),
    /// Its future was dropped.
    Dropped,
}

/// Polls a future so many times, then gives it up.
struct Polls<'f, F> {
    future: Pin<&'f mut F>,
    left: u64,
}

impl<F: Future> Future for Polls<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.left -= 1;
                Poll::Pending
            }
        }
    }
}

impl Stage {
    /// Awaits a call that must end in `longest`, or drops it on the way, once in `drops`.
    pub(super) async fn call<T>(
        &self,
        what: &str,
        longest: Duration,
        dice: &mut Dice,
        drops: u64,
        call: impl Future<Output = kavka::Result<T>>,
    ) -> Called<T> {
        let left = if dice.once_in(drops) { dice.within(0..=4) } else { u64::MAX };
        // Some of the awaits are of things that do not come before a timeout: those, too, are
        // left.
        let patience = match left {
            u64::MAX => longest + SLACK,
            _ => dice.millis(0..=3_000),
        };
        let mut call = pin!(call);
        match timeout(patience, Polls { future: call.as_mut(), left }).await {
            Ok(Some(Ok(given))) => Called::Ended(Ok(given)),
            Ok(Some(Err(error))) => {
                self.world.log.say(format_args!("{what} failed: {error}"));
                Called::Ended(Err(error))
            }
            Ok(None) => self.dropped(what),
            Err(_) if left == u64::MAX => {
                self.world.log.wrong(format_args!("{what} took longer than {longest:?}"));
                Called::Dropped
            }
            Err(_) => self.dropped(what),
        }
    }

    fn dropped<T>(&self, what: &str) -> Called<T> {
        self.world.log.say(format_args!("{what} is dropped"));
        Called::Dropped
    }
}
