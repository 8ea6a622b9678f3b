//! The one type of futures that the traits of a user's own return: without a macro, and usable as
//! `dyn`.

use std::pin::Pin;

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T = ()> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
