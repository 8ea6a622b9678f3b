//! Timeouts, times, opaque values and runtimes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the version of librdkafka whose behaviour this crate follows, as a number and in words.
pub fn get_rdkafka_version() -> (i32, String) {
    (0x020c_01ff, "2.12.1".to_owned())
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timeout {
    /// For so long.
    After(Duration),
    /// For ever.
    Never,
}

impl Timeout {
    /// When it will have run out.
    pub(crate) fn deadline(self) -> Deadline {
        match self {
            Self::After(wait) => Deadline(Instant::now().checked_add(wait)),
            Self::Never => Deadline(None),
        }
    }
}

/// When a wait ends; `None` for never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

impl Deadline {
    pub(crate) fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// What is left, at most `most`.
    pub(crate) fn left_up_to(self, most: Duration) -> Duration {
        self.0.map_or(most, |at| at.saturating_duration_since(Instant::now()).min(most))
    }
}

impl std::ops::SubAssign for Timeout {
    fn sub_assign(&mut self, other: Self) {
        match (self, other) {
            (Self::After(left), Self::After(spent)) => *left = left.saturating_sub(spent),
            (Self::Never, Self::After(_)) => {}
            _ => panic!("subtraction of Timeout::Never is ill-defined"),
        }
    }
}

impl From<Duration> for Timeout {
    fn from(wait: Duration) -> Self {
        Self::After(wait)
    }
}

impl From<Option<Duration>> for Timeout {
    fn from(wait: Option<Duration>) -> Self {
        wait.map_or(Self::Never, Self::After)
    }
}

/// Returns the milliseconds since 1970.
pub fn millis_to_epoch(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the present time in milliseconds since 1970.
pub fn current_time_millis() -> i64 {
    millis_to_epoch(SystemTime::now())
}

/// What a program may hang on a message, to have it back with its delivery.
///
/// rust-rdkafka turns it into a pointer and back; here it stays what it is, so that any type can be
/// one.
pub trait IntoOpaque: Send + Sync + Sized + 'static {}

impl IntoOpaque for () {}
impl IntoOpaque for usize {}
impl<T: Send + Sync + 'static> IntoOpaque for Box<T> {}
impl<T: Send + Sync + 'static> IntoOpaque for Arc<T> {}

/// What a client needs of an asynchronous runtime.
///
/// kavka works on threads of its own, so that any runtime will do, and none is needed but for
/// waiting while a queue is full.
pub trait AsyncRuntime: Send + Sync + 'static {
    /// What waits.
    type Delay: Future<Output = ()> + Send;

    /// Runs a task to its end.
    fn spawn<T>(task: T)
    where
        T: Future<Output = ()> + Send + 'static;

    /// Waits for `duration`.
    fn delay_for(duration: Duration) -> Self::Delay;
}

/// The runtime where none is named.
#[cfg(not(any(feature = "tokio", feature = "naive-runtime")))]
pub type DefaultRuntime = ();

/// The runtime where none is named.
#[cfg(all(not(feature = "tokio"), feature = "naive-runtime"))]
pub type DefaultRuntime = NaiveRuntime;

/// The runtime where none is named.
#[cfg(feature = "tokio")]
pub type DefaultRuntime = TokioRuntime;

/// A thread for each task and each wait.
#[cfg(feature = "naive-runtime")]
#[derive(Debug)]
pub struct NaiveRuntime;

#[cfg(feature = "naive-runtime")]
impl AsyncRuntime for NaiveRuntime {
    type Delay = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

    fn spawn<T>(task: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        std::thread::spawn(|| futures_executor::block_on(task));
    }

    fn delay_for(duration: Duration) -> Self::Delay {
        let (done, told) = futures_channel::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(duration);
            done.send(())
        });
        Box::pin(async move {
            let _ = told.await;
        })
    }
}

/// Tokio, which the program has to run.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct TokioRuntime;

#[cfg(feature = "tokio")]
impl AsyncRuntime for TokioRuntime {
    type Delay = tokio::time::Sleep;

    fn spawn<T>(task: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(task);
    }

    fn delay_for(duration: Duration) -> Self::Delay {
        tokio::time::sleep(duration)
    }
}
