//! The one place that spawns tasks, and the clock that tasks read.

use std::future::Future;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};

/// Spawns the tasks of one handle and proves that they have ended.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    tasks: TaskTracker,
    cancelled: CancellationToken,
}

impl Runtime {
    /// The runtime that the caller runs in.
    ///
    /// # Errors
    /// Config if there is none.
    pub(crate) fn current() -> Result<Self> {
        let handle = Handle::try_current()
            .map_err(|_| Error::config("a client must be made inside a tokio runtime, such as in #[tokio::main]"))?;
        Ok(Self { handle, tasks: TaskTracker::new(), cancelled: CancellationToken::new() })
    }

    /// Tasks of a part that ends before, or with, this one.
    pub(crate) fn child(&self) -> Self {
        Self { handle: self.handle.clone(), tasks: TaskTracker::new(), cancelled: self.cancelled.child_token() }
    }

    /// Runs a task until it ends or [`Runtime::cancel`] drops it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancelled = self.cancelled.clone();
        self.tasks.spawn_on(
            async move {
                tokio::select! {
                    biased;
                    () = cancelled.cancelled() => {}
                    () = task => {}
                }
            },
            &self.handle,
        );
    }

    /// Ends every task at its next await.
    pub(crate) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// A token that is cancelled with the tasks.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Waits until every task has ended; call after [`Runtime::cancel`] or when they end by themselves.
    pub(crate) async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The monotonic clock; stands still under tokio's paused time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Sleeps until an instant of [`now`]'s clock.
pub(crate) async fn sleep_until(deadline: Instant) {
    tokio::time::sleep_until(deadline.into()).await;
}

/// Sleeps until an instant of [`now`]'s clock, or for ever.
pub(crate) async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
