//! The task that lets time pass for groups, for locks of records and for transactions.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::state::Shared;

const TICK: Duration = Duration::from_millis(1);

pub(crate) async fn run(shared: Arc<Shared>, ended: CancellationToken) {
    loop {
        let next = {
            let moment = shared.moment();
            let now = moment.at;
            let mut state = shared.lock();
            let mut next = None;
            let (groups, cx) = state.groups_with(now);
            for group in groups.values_mut() {
                if group.deadline().is_some_and(|deadline| deadline <= now) {
                    group.tick(cx);
                }
                next = earlier(next, group.deadline());
            }
            let freed = state.tick_shares(now);
            if state.tick_transactions(moment) || freed {
                shared.changed.notify_waiters();
            }
            next = earlier(next, state.shares_deadline());
            earlier(next, state.transactions_deadline())
        };
        let due = async {
            match next {
                // Never at once: a group whose timeouts are 0 must not keep the thread busy.
                Some(next) => sleep_until(next.max(Instant::now() + TICK)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            () = shared.timers.notified() => {}
            () = due => {}
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
