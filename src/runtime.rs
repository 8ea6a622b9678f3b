//! The one place that spawns tasks, and the clock that tasks read.

use std::cell::Cell;
use std::future::Future;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};

mod activity;
mod turn;

pub(crate) use activity::Activity;
pub(crate) use turn::Turn;

/// Work on fewer bytes is done where it arises (a guess: handing over costs about 10 µs, in which
/// zstd packs 4 KiB).
const OFFLOAD_BYTES: usize = 64 * 1024;

/// So many records of up to a KiB, or KiB, a thread takes without letting others run: for some 0.1
/// ms. Each time costs about 5 µs, since another worker is woken to take over.
const WORK_PER_YIELD: usize = 1024;

/// More cannot be added to every clock, and nobody waits for longer.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Spawns the tasks of one handle and proves that they have ended.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    tasks: TaskTracker,
    /// Those of which this is a part: they have ended when its tasks have.
    outer: Vec<TaskTracker>,
    cancelled: CancellationToken,
    /// Whether the order of things must be the same in every run.
    is_reproducible: bool,
}

impl Runtime {
    /// The runtime that the caller runs in.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is none.
    pub(crate) fn current(is_reproducible: bool) -> Result<Self> {
        let handle = Handle::try_current().map_err(|_| {
            Error::config("a client must be made inside a tokio runtime, such as in #[tokio::main]")
        })?;
        Ok(Self {
            handle,
            tasks: TaskTracker::new(),
            outer: Vec::new(),
            cancelled: CancellationToken::new(),
            is_reproducible,
        })
    }

    /// Tasks of a part that ends before, or with, this one.
    pub(crate) fn child(&self) -> Self {
        let (handle, cancelled) = (self.handle.clone(), self.cancelled.child_token());
        let outer = self.outer.iter().chain([&self.tasks]).cloned().collect();
        Self {
            handle,
            tasks: TaskTracker::new(),
            outer,
            cancelled,
            is_reproducible: self.is_reproducible,
        }
    }

    /// Runs a task until it ends or [`Runtime::cancel`] drops it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancelled = self.cancelled.clone();
        let counted: Vec<_> = self.outer.iter().map(TaskTracker::token).collect();
        self.tasks.spawn_on(
            async move {
                let _until_here = counted;
                tokio::select! {
                    biased;
                    () = cancelled.cancelled() => {}
                    () = task => {}
                }
            },
            &self.handle,
        );
    }

    /// Runs CPU work of about `bytes` bytes: here when that is quick or must be reproducible, else
    /// on a thread of its own.
    pub(crate) async fn offload<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes < OFFLOAD_BYTES || self.is_reproducible {
            return work();
        }
        match self.handle.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down, and with it whoever waits here.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Whether a caller that has not had to wait, and is about to copy so many bytes, should yield
    /// first: [`Runtime::yield_now`].
    ///
    /// It is asked for every record, and tells without an await, over which the caller would have
    /// to keep its record.
    #[inline]
    pub(crate) fn should_yield(&self, bytes: usize) -> bool {
        thread_local! {
            static WORK: Cell<usize> = const { Cell::new(0) };
        }
        let work = WORK.get() + 1 + bytes / 1024;
        let is_due = work >= WORK_PER_YIELD;
        WORK.set(if is_due { 0 } else { work });
        is_due || self.is_reproducible
    }

    /// Lets others run.
    pub(crate) async fn yield_now(&self) {
        if self.is_reproducible { yield_now().await } else { tokio::task::yield_now().await }
    }

    /// Ends every task at its next await.
    pub(crate) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// A token that is cancelled with the tasks.
    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// How many tasks have not ended.
    #[cfg(test)]
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until every task has ended; call after [`Runtime::cancel`] or when they end by
    /// themselves.
    pub(crate) async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(feature = "mq")]
/// A runtime on a thread of its own, which outlives the runtimes of those who use it, and ends when
/// it is dropped.
pub(crate) struct Background {
    handle: Handle,
    _stop: tokio::sync::oneshot::Sender<()>,
}

#[cfg(feature = "mq")]
impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the operating system gives no thread or
    /// no sockets.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let refused =
            |error: std::io::Error| Error::config(format!("no thread for {name}: {error}"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // It hears nothing but that the other end is gone.
        let work = move || drop(runtime.block_on(stopped));
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(refused)?;
        Ok(Self { handle, _stop: stop })
    }

    /// Does something as if inside of the runtime.
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _inside = self.handle.enter();
        work()
    }

    /// Awaits something inside of the runtime; `None` if that ends before, or the work panics.
    ///
    /// # Cancel safety
    /// If the future is dropped, the work goes on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.handle.spawn(work).await.ok()
    }

    /// [`Background::run`] for a thread that may wait.
    pub(crate) fn block<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, told) = std::sync::mpsc::channel();
        self.handle.spawn(async move {
            let _nobody_waits = done.send(work.await);
        });
        told.recv().ok()
    }
}

/// Lets other tasks run now and then, so that a caller in a loop that never has to wait does not
/// keep its worker, on which the very task may wait that it keeps busy.
#[inline]
pub(crate) async fn yield_now() {
    tokio::task::coop::consume_budget().await;
}

/// Has whoever is polled let others run first, input and output of the network too: return
/// `Pending` then.
pub(crate) fn let_others_run(context: &mut Context<'_>) {
    // It asks to be woken behind all that are ready, and is not needed for more.
    let _ = std::pin::pin!(tokio::task::yield_now()).poll(context);
}

/// The monotonic clock; stands still under tokio's paused time.
#[allow(clippy::disallowed_methods, reason = "this is where it comes from")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The instant at which something that a caller allows so much time for must have ended, however
/// much that is.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    now() + timeout.min(LONGEST)
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

/// Checks that the tokio runtime that the caller runs in can wait, and, if `with_sockets`, hear of
/// them: tokio itself tells by a panic in the task that needs it.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config): says how to build the runtime.
pub(crate) fn check_drivers(with_sockets: bool) -> Result<()> {
    let missing = |what: &str, call: &str| {
        Error::config(format!(
            "the tokio runtime has no {what}: build it with {call} or enable_all, or by \
             #[tokio::main]"
        ))
    };
    std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)))
        .map_err(|_| missing("timers", "enable_time"))?;
    #[cfg(unix)]
    if with_sockets {
        std::panic::catch_unwind(|| drop(tokio::net::UnixDatagram::unbound()))
            .map_err(|_| missing("sockets", "enable_io"))?;
    }
    #[cfg(not(unix))]
    let _ = with_sockets;
    Ok(())
}

/// How long some work takes, at the best of three times. Tests compare with it two amounts of work
/// that are as large as one another, so that a machine with other things to do delays both alike.
#[cfg(test)]
pub(crate) fn time_of(work: impl Fn()) -> Duration {
    let timed = |_| {
        let begun = now();
        work();
        now() - begun
    };
    (0..3).map(timed).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_lacks_something_is_refused_with_what_to_do() {
        let refusal = |mut builder: tokio::runtime::Builder| {
            let runtime = builder.build().unwrap();
            let _inside = runtime.enter();
            check_drivers(true).map_err(|error| error.to_string())
        };
        let builder = tokio::runtime::Builder::new_current_thread;
        let with = |set: fn(&mut tokio::runtime::Builder) -> &mut tokio::runtime::Builder| {
            let mut builder = builder();
            set(&mut builder);
            refusal(builder)
        };
        assert!(with(|builder| builder).unwrap_err().contains("enable_time"));
        assert!(with(|builder| builder.enable_io()).unwrap_err().contains("enable_time"));
        #[cfg(unix)]
        assert!(with(|builder| builder.enable_time()).unwrap_err().contains("enable_io"));
        assert_eq!(with(|builder| builder.enable_all()), Ok(()));
    }

    #[tokio::test]
    async fn others_are_let_run_by_the_work_done() {
        let runtime = Runtime::current(false).unwrap();
        let yields = |calls, bytes| (0..calls).filter(|_| runtime.should_yield(bytes)).count();
        // Whatever the thread did before.
        while !runtime.should_yield(0) {}
        assert_eq!(yields(2 * WORK_PER_YIELD, 128), 2);
        assert_eq!(yields(WORK_PER_YIELD, 10 << 10), 10, "eleven times the work");
        assert_eq!(yields(3, 1 << 20), 3);
        let reproducible = Runtime::current(true).unwrap();
        assert!(reproducible.should_yield(0), "not by what others have done on the thread");
    }
}
