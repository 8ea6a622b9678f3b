//! Several ways to one end, of which none may hold up the others: the next is tried when those
//! before it have failed, or have not ended for a while, and the first to succeed is taken (what
//! RFC 8305 does for addresses).

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::runtime;

/// Tries `ways` in their order, each begun `patience` after the one before it, or as soon as all
/// that were begun have failed.
///
/// # Errors
/// Those of all ways, in the order in which they failed; no further way is tried after one of which
/// `is_final` holds.
///
/// # Cancel safety
/// If the future is dropped, so are those of the ways.
pub(crate) async fn first<W, T, E, F: Future<Output = Result<T, E>>>(
    ways: impl IntoIterator<Item = W>,
    patience: Duration,
    attempt: impl Fn(W) -> F,
    is_final: impl Fn(&E) -> bool,
) -> Result<T, Vec<E>> {
    let mut ways = ways.into_iter().fuse();
    let mut begun = FuturesUnordered::new();
    let mut errors = Vec::new();
    let mut are_left = true;
    loop {
        match ways.next() {
            Some(way) => begun.push(attempt(way)),
            None => are_left = false,
        }
        let next = runtime::now() + patience;
        loop {
            if begun.is_empty() && !are_left {
                return Err(errors);
            }
            tokio::select! {
                biased;
                Some(ended) = begun.next() => match ended {
                    Ok(done) => return Ok(done),
                    Err(error) => {
                        let ends = is_final(&error);
                        errors.push(error);
                        if ends {
                            return Err(errors);
                        }
                        if begun.is_empty() && are_left {
                            break;
                        }
                    }
                },
                () = runtime::sleep_until(next), if are_left => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(250);

    /// What a way does: it ends after so many milliseconds, well or not.
    type Way = (u64, Result<&'static str, &'static str>);

    async fn run(ways: &[Way]) -> (Result<&'static str, Vec<&'static str>>, u128, usize) {
        let begun = Mutex::new(0);
        let start = runtime::now();
        let attempt = |(millis, outcome): Way| {
            *begun.lock().unwrap() += 1;
            async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                outcome
            }
        };
        let outcome =
            first(ways.iter().copied(), PATIENCE, attempt, |error| *error == "final").await;
        let begun = *begun.lock().unwrap();
        (outcome, (runtime::now() - start).as_millis(), begun)
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_hangs_costs_the_patience_and_no_more() {
        assert_eq!(run(&[(60_000, Err("late")), (10, Ok("b"))]).await, (Ok("b"), 260, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_fails_is_followed_at_once() {
        assert_eq!(run(&[(5, Err("refused")), (10, Ok("b"))]).await, (Ok("b"), 15, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_way_may_still_be_the_first() {
        assert_eq!(run(&[(300, Ok("a")), (10_000, Ok("b"))]).await, (Ok("a"), 300, 2));
        assert_eq!(run(&[(10, Ok("a")), (0, Ok("b"))]).await, (Ok("a"), 10, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn all_errors_are_told_and_a_final_one_ends_it() {
        assert_eq!(
            run(&[(700, Err("a")), (1, Err("b")), (1, Err("c"))]).await.0,
            Err(vec!["b", "c", "a"])
        );
        assert_eq!(run(&[(1, Err("final")), (1, Ok("b"))]).await, (Err(vec!["final"]), 1, 1));
        assert_eq!(run(&[]).await.0, Err(vec![]));
    }
}
