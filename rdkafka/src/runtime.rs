//! The threads that kavka works on, which all clients of a process share, and waiting for them from
//! any other thread.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::task::JoinHandle;

use crate::util::Deadline;

/// Few clients keep more busy: what a program does with its messages runs on threads of its own.
const THREADS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("kavka")
        .enable_all()
        .build()
        .expect("the operating system gives threads")
});

/// Lets this thread make what needs a runtime.
pub(crate) fn enter() -> EnterGuard<'static> {
    RUNTIME.enter()
}

pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    RUNTIME.spawn(task)
}

/// Runs what may block.
pub(crate) fn spawn_blocking(task: impl FnOnce() + Send + 'static) {
    RUNTIME.spawn_blocking(task);
}

/// Runs a future on those threads while this one waits; `None` if that takes too long, in which case
/// the future is dropped. Unlike tokio's own, it may be called from within another runtime, as
/// rust-rdkafka's calls may.
pub(crate) fn block_on<T: Send + 'static>(
    deadline: Deadline,
    task: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, told) = mpsc::sync_channel(1);
    let task = RUNTIME.spawn(async move {
        let _ = done.send(task.await);
    });
    let answer = match deadline.0 {
        None => told.recv().ok(),
        Some(_) => told.recv_timeout(deadline.left_up_to(Duration::MAX)).ok(),
    };
    if answer.is_none() {
        task.abort();
    }
    answer
}

/// Who is to be woken when something has happened. As one waker they can be given to whoever can
/// keep one only.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    waiting: Mutex<(u64, HashMap<u64, Waker>)>,
}

/// The place of one of them.
#[derive(Debug)]
pub(crate) struct Slot {
    wakers: Arc<Wakers>,
    id: u64,
}

impl Wakers {
    pub(crate) fn slot(self: &Arc<Self>) -> Slot {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 += 1;
        Slot { wakers: Arc::clone(self), id: waiting.0 }
    }

    pub(crate) fn wake_all(&self) {
        let woken = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut waiting.1)
        };
        woken.into_values().for_each(Waker::wake);
    }
}

impl Slot {
    /// Waits for the next event. What is looked at before may be missed, so look again after.
    pub(crate) fn watch(&self, waker: &Waker) {
        let mut waiting = self.wakers.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.insert(self.id, waker.clone());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut waiting = self.wakers.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.remove(&self.id);
    }
}

/// A thread that waits.
pub(crate) struct Parker(Thread);

impl Parker {
    pub(crate) fn waker() -> Waker {
        Waker::from(Arc::new(Self(thread::current())))
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks `attempt` again and again until it has something, `deadline` has passed, or for ever;
/// `wakers` tell when it is worth it.
pub(crate) fn wait_for<T>(
    wakers: &Arc<Wakers>,
    deadline: Deadline,
    mut attempt: impl FnMut() -> Option<T>,
) -> Option<T> {
    let slot = wakers.slot();
    let waker = Parker::waker();
    loop {
        slot.watch(&waker);
        if let Some(found) = attempt() {
            return Some(found);
        }
        if deadline.has_passed() {
            return None;
        }
        match deadline.0 {
            None => thread::park(),
            Some(_) => thread::park_timeout(deadline.left_up_to(Duration::MAX)),
        }
    }
}
