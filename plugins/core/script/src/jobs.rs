//! The queue of what a script left for later: promises at once, timers when they are due, until nothing is left.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use boa_engine::builtins::promise::OperationType;
use boa_engine::builtins::promise::Promise;
use boa_engine::context::HostHooks;
use boa_engine::job::{IntervalJob, Job, JobExecutor, SimpleJobExecutor, TimeoutJob};
use boa_engine::{Context, JsObject, JsResult};

/// A timer that is set.
enum Timer {
    Once(TimeoutJob),
    Every(IntervalJob),
}

/// Runs jobs. Boa's own executor turns in circles until a timer is due; this one sleeps.
#[derive(Default)]
pub(crate) struct Jobs {
    now: Rc<SimpleJobExecutor>,
    /// By when they are due, and in the order in which they were set.
    timers: RefCell<BTreeMap<(Instant, u64), Timer>>,
    count: Cell<u64>,
}

impl Jobs {
    fn set(&self, wait: Duration, timer: Timer) {
        let number = self.count.get();
        self.count.set(number + 1);
        self.timers.borrow_mut().insert((Instant::now() + wait, number), timer);
    }
}

impl JobExecutor for Jobs {
    fn enqueue_job(self: Rc<Self>, job: Job, context: &mut Context) {
        match job {
            Job::TimeoutJob(job) => self.set(Duration::from_millis(job.timeout().as_millis()), Timer::Once(job)),
            Job::IntervalJob(job) => self.set(Duration::from_millis(job.interval().as_millis()), Timer::Every(job)),
            job => Rc::clone(&self.now).enqueue_job(job, context),
        }
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        loop {
            Rc::clone(&self.now).run_jobs(context)?;
            let next = self.timers.borrow_mut().pop_first();
            let Some(((due, _), timer)) = next else {
                return Ok(());
            };
            match timer {
                Timer::Once(job) if !job.cancelled() => {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    job.call(context)?;
                }
                Timer::Every(job) if !job.cancelled() => {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    job.call(context)?;
                    self.set(Duration::from_millis(job.interval().as_millis()), Timer::Every(job));
                }
                Timer::Once(_) | Timer::Every(_) => {}
            }
        }
    }
}

/// Remembers promises that were rejected while nobody listened: their errors would be lost.
#[derive(Default)]
pub(crate) struct Rejections(RefCell<Vec<JsObject<Promise>>>);

impl Rejections {
    /// The first that nobody listened to in the end.
    pub(crate) fn first(&self) -> Option<JsObject<Promise>> {
        self.0.borrow().first().cloned()
    }
}

impl HostHooks for Rejections {
    fn promise_rejection_tracker(&self, promise: &JsObject<Promise>, operation: OperationType, _: &mut Context) {
        match operation {
            OperationType::Reject => self.0.borrow_mut().push(promise.clone()),
            OperationType::Handle => self.0.borrow_mut().retain(|known| !JsObject::equals(known, promise)),
        }
    }
}
