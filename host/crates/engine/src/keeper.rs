//! What a runner does beside its executions: gives a sign of life for their leases, and hears of requests to end them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autokestra_model::{ExecutionId, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runner::{Canceller, RunnerShared};
use crate::stop::StopReason;

/// How often the store is asked for requests: half of what a cancel may take, so that children stop within 200 ms.
const ASKS_EVERY: Duration = Duration::from_millis(100);

/// The executions that this process drives.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    driven: Mutex<Driven>,
    /// Told each time when one of them ends.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Driven {
    executions: HashMap<ExecutionId, Canceller>,
    /// The keeper's own task runs.
    awake: bool,
}

/// Holds an execution among those that are driven, until it is dropped.
#[derive(Debug)]
pub(crate) struct Driving {
    runner: Arc<RunnerShared>,
    id: ExecutionId,
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.runner.keeper.lock().executions.remove(&self.id);
        self.runner.keeper.ended.notify_waiters();
    }
}

impl Keeper {
    /// Waits until nothing is driven.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().executions.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Driven> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunnerShared {
    /// Until when a lease that is taken now lasts.
    pub(crate) fn lease_end(&self, now: Timestamp) -> Timestamp {
        let millis = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_add(millis))
    }

    /// Notes an execution as driven, and wakes the keeper.
    pub(crate) fn drive(self: &Arc<Self>, id: ExecutionId, canceller: Canceller) -> Driving {
        let mut driven = self.keeper.lock();
        driven.executions.insert(id, canceller);
        if !std::mem::replace(&mut driven.awake, true) {
            tokio::spawn(keep(Arc::clone(self)));
        }
        Driving {
            runner: Arc::clone(self),
            id,
        }
    }
}

/// Runs for as long as something is driven.
async fn keep(runner: Arc<RunnerShared>) {
    let renew_every = runner.options.lease / 3;
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(ASKS_EVERY).await;
        {
            let mut driven = runner.keeper.lock();
            if driven.executions.is_empty() {
                driven.awake = false;
                return;
            }
        }
        if renewed.elapsed() >= renew_every {
            let until = runner.lease_end(runner.clock.now());
            match runner.store.renew(until).await {
                Ok(()) => renewed = Instant::now(),
                // The lease lasts for a while; where it ends, what this process writes is refused.
                Err(error) => tracing::warn!(%error, "failed to renew the lease"),
            }
        }
        match runner.store.cancel_requests().await {
            Ok(requests) => {
                for (id, actor) in requests {
                    let canceller = runner.keeper.lock().executions.get(&id).cloned();
                    if let Some(canceller) = canceller {
                        let reason = if actor.as_str().starts_with("execution ") {
                            StopReason::Superseded
                        } else {
                            StopReason::User
                        };
                        canceller.cancel_by(reason, actor);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "failed to ask for requests to cancel"),
        }
    }
}
