use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exchange::{Asked, Expected, Reply};
use super::said::{LogEntry, ProgressReport};
use super::shared::{CURRENT, Shared};
use crate::files::{self, ARTIFACTS, ARTIFACTS_IN};
use crate::{Context, limit};

/// The host's side for one test: what an action is given, and what it did. It holds for the thread that made it, until it is dropped.
///
/// By default it is the first attempt of `task` in `workflow`, without a deadline; it keeps no values, has no files and expects no request.
///
/// ```
/// use std::time::Duration;
///
/// use autokestra_sdk::testing::FakeHost;
///
/// let host = FakeHost::new().workflow("nightly").task("greet").attempt(3).deadline(Duration::from_secs(30));
/// let context = host.context();
/// assert_eq!((context.task_id.as_str(), context.attempt), ("greet", 3));
/// ```
///
/// # Panics
/// Where it is dropped while expected requests were not made, unless the test failed already.
#[derive(Debug)]
pub struct FakeHost {
    context: Context,
    deadline: Option<Duration>,
    shared: Rc<RefCell<Shared>>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHost {
    /// The host of this thread from now on.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new();
    /// assert!(host.logs().is_empty());
    /// ```
    ///
    /// # Panics
    /// Where this thread has one already.
    #[must_use]
    pub fn new() -> Self {
        let shared = Rc::<RefCell<Shared>>::default();
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "this thread has a FakeHost already; drop it first");
            *current = Some(Rc::clone(&shared));
        });
        Self {
            context: Context::for_tests(),
            deadline: None,
            shared,
        }
    }

    /// Sets the id of the execution.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().execution("exec-01jd");
    /// assert_eq!(host.context().execution_id, "exec-01jd");
    /// ```
    #[must_use]
    pub fn execution(mut self, id: &str) -> Self {
        id.clone_into(&mut self.context.execution_id);
        self
    }

    /// Sets the id of the workflow.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().workflow("nightly");
    /// assert_eq!(host.context().workflow_id, "nightly");
    /// ```
    #[must_use]
    pub fn workflow(mut self, id: &str) -> Self {
        id.clone_into(&mut self.context.workflow_id);
        self
    }

    /// Sets the id of the task.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().task("greet");
    /// assert_eq!(host.context().task_id, "greet");
    /// ```
    #[must_use]
    pub fn task(mut self, id: &str) -> Self {
        id.clone_into(&mut self.context.task_id);
        self
    }

    /// Sets the number of the attempt, from 1.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().attempt(2);
    /// assert_eq!(host.context().attempt, 2);
    /// ```
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.context.attempt = number;
        self
    }

    /// Sets the position in a `forEach`, from 0.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().index(7);
    /// assert_eq!(host.context().index, Some(7));
    /// ```
    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.context.index = Some(index);
        self
    }

    /// Sets what is left when the context is made.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().deadline(Duration::ZERO);
    /// assert_eq!(host.context().time_left(), Some(Duration::ZERO));
    /// ```
    #[must_use]
    pub fn deadline(mut self, left: Duration) -> Self {
        self.deadline = Some(left);
        self
    }

    /// Sets the key that all attempts of a task run share.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let host = FakeHost::new().idempotency_key("exec-1/pay");
    /// assert_eq!(host.context().idempotency_key, "exec-1/pay");
    /// ```
    #[must_use]
    pub fn idempotency_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.context.idempotency_key);
        self
    }

    /// Keeps a value, as an execution before would have.
    ///
    /// ```
    /// # use autokestra_sdk::{state, testing::FakeHost};
    /// let host = FakeHost::new().state("cursor", &41);
    /// assert_eq!(state::get("cursor").unwrap(), Some(41));
    /// ```
    ///
    /// # Panics
    /// Where the value has no JSON.
    #[must_use]
    pub fn state<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Self {
        let value = serde_json::to_string(value).expect("a kept value has a JSON");
        self.shared.borrow_mut().values.insert(key.to_owned(), value);
        self
    }

    /// Puts a file where another task left it: `path` is `task/name`.
    ///
    /// ```
    /// # use autokestra_sdk::{files, testing::FakeHost};
    /// let host = FakeHost::new().input_file("export/rows.csv", "a,b\n");
    /// assert_eq!(files::read_text("/artifacts-in/export/rows.csv").unwrap(), "a,b\n");
    /// ```
    ///
    /// # Panics
    /// Where the path leads elsewhere, or the temporary folder cannot be written.
    #[must_use]
    pub fn input_file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = files::below(path.as_ref(), ARTIFACTS_IN).unwrap_or_else(|error| panic!("{error}"));
        let path = self.shared.borrow_mut().place(ARTIFACTS_IN).join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, content))
            .unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        self
    }

    /// Answers the next request that was not expected so far. Requests come in the order in which they are expected, each once.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// let host = FakeHost::new()
    ///     .expect(Expected::get("https://example.com/a"), Reply::status(503))
    ///     .expect(Expected::get("https://example.com/a"), Reply::text("here"));
    /// assert_eq!(Request::get("https://example.com/a").send().unwrap().status(), 503);
    /// assert_eq!(Request::get("https://example.com/a").send().unwrap().text().unwrap(), "here");
    /// ```
    #[must_use]
    pub fn expect(self, request: Expected, reply: Reply) -> Self {
        self.shared.borrow_mut().expected.push_back((request, reply));
        self
    }

    /// The context of an attempt.
    ///
    /// ```
    /// # use autokestra_sdk::testing::FakeHost;
    /// let context = FakeHost::new().context();
    /// assert_eq!(context.workflow_id, "workflow");
    /// ```
    #[must_use]
    pub fn context(&self) -> Context {
        let mut context = self.context.clone();
        context.deadline = self.deadline.and_then(|left| limit::now().checked_add(left));
        context
    }

    /// What was logged by [`crate::log`], in order.
    ///
    /// ```
    /// # use autokestra_sdk::{log, testing::FakeHost};
    /// let host = FakeHost::new();
    /// log::info!("here");
    /// assert_eq!(host.logs().len(), 1);
    /// ```
    #[must_use]
    pub fn logs(&self) -> Vec<LogEntry> {
        self.shared.borrow().logs.clone()
    }

    /// What was reported by [`crate::progress`], in order.
    ///
    /// ```
    /// # use autokestra_sdk::{progress, testing::FakeHost};
    /// let host = FakeHost::new();
    /// progress::report(1, Some(2), None);
    /// assert_eq!(host.progress()[0].total, Some(2));
    /// ```
    #[must_use]
    pub fn progress(&self) -> Vec<ProgressReport> {
        self.shared.borrow().reports.clone()
    }

    /// What is kept under a key.
    ///
    /// ```
    /// # use autokestra_sdk::{state, testing::FakeHost};
    /// let host = FakeHost::new();
    /// state::set("cursor", &7).unwrap();
    /// assert_eq!(host.kept("cursor"), Some(7));
    /// ```
    ///
    /// # Panics
    /// Where the value has another shape.
    #[must_use]
    pub fn kept<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.shared.borrow().values.get(key).cloned()?;
        let read = serde_json::from_str(&value);
        Some(read.unwrap_or_else(|error| panic!("`{key}` is {value}, and not what was asked for: {error}")))
    }

    /// The names of the files that were left, in order.
    ///
    /// ```
    /// # use autokestra_sdk::{files, testing::FakeHost};
    /// let host = FakeHost::new();
    /// files::write("a/b.txt", "c").unwrap();
    /// assert_eq!(host.artifacts(), ["a/b.txt"]);
    /// ```
    #[must_use]
    pub fn artifacts(&self) -> Vec<String> {
        let mut names = Vec::new();
        let folder = self.shared.borrow_mut().place(ARTIFACTS);
        // Nothing was left where there is no folder.
        if files::walk(&folder, "", &mut names).is_err() {
            return Vec::new();
        }
        names.sort();
        names
    }

    /// What is in a file that was left.
    ///
    /// ```
    /// # use autokestra_sdk::{files, testing::FakeHost};
    /// let host = FakeHost::new();
    /// files::write("a.txt", "b").unwrap();
    /// assert_eq!(host.artifact("a.txt").unwrap(), b"b");
    /// assert_eq!(host.artifact("b.txt"), None);
    /// ```
    #[must_use]
    pub fn artifact(&self, name: impl AsRef<Path>) -> Option<Vec<u8>> {
        let name = files::below(name.as_ref(), ARTIFACTS).ok()?;
        let path = self.shared.borrow_mut().place(ARTIFACTS).join(name);
        fs::read(path).ok()
    }

    /// The requests that were made, in order, redirects among them.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// let host = FakeHost::new().expect(Expected::any(), Reply::status(204));
    /// Request::new("DELETE", "https://example.com/a").send().unwrap();
    /// assert_eq!(host.requests()[0].method, "DELETE");
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.borrow().asked.clone()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        CURRENT.set(None);
        let shared = self.shared.borrow();
        if !std::thread::panicking() && !shared.expected.is_empty() {
            let missing: String = shared
                .expected
                .iter()
                .map(|(request, _)| format!("\n  {request}"))
                .collect();
            panic!("expected and never asked:{missing}\n{}", shared.so_far());
        }
    }
}
