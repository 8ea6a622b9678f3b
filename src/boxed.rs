//! The one type of futures that the traits of a user's own return: without a macro, and usable as `dyn`.

use std::pin::Pin;

/// A future on the heap, which may go from thread to thread.
pub type BoxFuture<'a, T = ()> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
