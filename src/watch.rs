//! A value that one part publishes and others watch, as tokio's channel of this name, but for one
//! thing: those who wait are woken in the order in which they began to. Tokio wakes its eight lists
//! of waiters by chance, and then no run is like another.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;
use tokio::task::coop;

/// Publishes; whoever watches hears of its end.
#[derive(Debug)]
pub(crate) struct Publisher<T>(Arc<Channel<T>>);

/// Watches.
#[derive(Debug)]
pub(crate) struct Watcher<T> {
    shared: Arc<Channel<T>>,
    seen: u64,
}

/// Nothing will be published any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublisherGone;

/// Keeps the value from being changed: not to be held for long.
#[derive(Debug)]
pub(crate) struct Ref<'a, T>(RwLockReadGuard<'a, State<T>>);

#[derive(Debug)]
struct Channel<T> {
    state: RwLock<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    version: u64,
    has_ended: bool,
}

/// Both ends.
pub(crate) fn channel<T>(value: T) -> (Publisher<T>, Watcher<T>) {
    let sender = Publisher::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Publisher<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = RwLock::new(State { value, version: 0, has_ended: false });
        Self(Arc::new(Channel { state, changed: Notify::new() }))
    }

    /// A receiver that has seen the present value.
    pub(crate) fn subscribe(&self) -> Watcher<T> {
        let seen = self.0.read().version;
        Watcher { shared: Arc::clone(&self.0), seen }
    }

    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        Ref(self.0.read())
    }

    pub(crate) fn send_replace(&self, value: T) {
        self.send_modify(|old| *old = value);
    }

    pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Tells the receivers only if `modify` says that something has changed.
    pub(crate) fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) {
        {
            let mut state = self.0.write();
            if !modify(&mut state.value) {
                return;
            }
            state.version += 1;
        }
        self.0.changed.notify_waiters();
    }
}

impl<T> Drop for Publisher<T> {
    fn drop(&mut self) {
        self.0.write().has_ended = true;
        self.0.changed.notify_waiters();
    }
}

impl<T> Watcher<T> {
    pub(crate) fn borrow(&self) -> Ref<'_, T> {
        Ref(self.shared.read())
    }

    /// The value, which counts as seen.
    pub(crate) fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.shared.read();
        self.seen = state.version;
        Ref(state)
    }

    /// Waits for a value that was not seen yet. After the end it returns at once, but not without
    /// end: a loop that asks again and again lets others run, and is cancelled.
    ///
    /// # Errors
    /// Ended if there is none and will be none.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn changed(&mut self) -> Result<(), PublisherGone> {
        coop::cooperative(self.look()).await
    }

    async fn look(&mut self) -> Result<(), PublisherGone> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.shared.read();
                if state.version != self.seen {
                    self.seen = state.version;
                    return Ok(());
                }
                if state.has_ended {
                    return Err(PublisherGone);
                }
            }
            changed.await;
        }
    }

    /// Waits for a value of which `is_wanted` holds, the present one included; by now it may have
    /// been followed by another.
    ///
    /// # Errors
    /// Ended if none came.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn wait_for(
        &mut self,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Ref<'_, T>, PublisherGone> {
        loop {
            let is_there = is_wanted(&self.borrow_and_update());
            if is_there {
                return Ok(self.borrow());
            }
            self.changed().await?;
        }
    }
}

impl<T> Clone for Watcher<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Channel<T> {
    fn read(&self) -> RwLockReadGuard<'_, State<T>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<T>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_woken_in_their_order() {
        let (sender, receiver) = channel(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..50)
            .map(|number| {
                let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
                tokio::spawn(async move {
                    receiver.changed().await.unwrap();
                    woken.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sender.send_replace(1);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*woken.lock().unwrap(), (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_before_waiting_is_not_missed_and_the_end_is_told_after_it() {
        let (sender, mut receiver) = channel(0);
        sender.send_replace(1);
        sender.send_if_modified(|_| false);
        drop(sender);
        assert_eq!(receiver.changed().await, Ok(()));
        assert_eq!(*receiver.borrow(), 1);
        assert_eq!(receiver.changed().await, Err(PublisherGone));
        assert_eq!(receiver.wait_for(|value| *value == 1).await.map(|value| *value), Ok(1));
        assert!(receiver.wait_for(|value| *value == 2).await.is_err());
    }

    #[test]
    fn a_loop_that_does_not_hear_the_end_lets_others_run() {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut receiver = channel(0).1;
                let deaf = tokio::spawn(async move {
                    loop {
                        let _ended = receiver.changed().await;
                    }
                });
                tokio::task::yield_now().await;
                deaf.abort();
                assert!(deaf.await.unwrap_err().is_cancelled());
            });
            done.send(()).unwrap();
        });
        is_done.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    }
}
