//! The values that expressions may name.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use minijinja::Value as TemplateValue;
use minijinja::value::{Enumerator, Object, Serde};
use serde_json::Value;

use crate::id::{ExecutionId, SecretName, TaskId, WorkflowId};
use crate::state::{ExecutionState, TaskState};
use crate::time::Timestamp;

/// What `execution` has in an expression.
#[derive(Clone, Debug)]
pub struct ExecutionInfo {
    /// `execution.id`
    pub id: ExecutionId,
    /// `execution.workflowId`
    pub workflow_id: WorkflowId,
    /// `execution.startedAt`
    pub started_at: Timestamp,
}

/// The values of one execution: `inputs`, `secrets`, `tasks` and `execution`. Cheap to clone; clones share their values.
#[derive(Clone)]
pub struct Scope {
    root: Arc<Root>,
    element: Option<Arc<Element>>,
}

/// `item` and `index` of one element of a `forEach`.
#[derive(Debug)]
struct Element {
    root: Arc<Root>,
    item: TemplateValue,
    index: u32,
}

#[derive(Debug)]
struct Root {
    inputs: Lazy,
    execution: ExecutionInfo,
    /// The state that the execution is going to end in, while `finally` runs.
    state: OnceLock<ExecutionState>,
    secrets: RwLock<TemplateValue>,
    tasks: Arc<Tasks>,
}

/// A JSON value that becomes a template's value when one first asks for it.
#[derive(Debug)]
struct Lazy {
    json: Arc<Value>,
    converted: OnceLock<TemplateValue>,
}

impl Lazy {
    fn new(json: Arc<Value>) -> Self {
        Self {
            json,
            converted: OnceLock::new(),
        }
    }

    fn value(&self) -> TemplateValue {
        self.converted
            .get_or_init(|| TemplateValue::from(Serde(&*self.json)))
            .clone()
    }
}

impl Scope {
    /// A scope in which no task has ended and no secret is known.
    #[must_use]
    pub fn new(inputs: Value, execution: &ExecutionInfo) -> Self {
        let root = Root {
            inputs: Lazy::new(Arc::new(inputs)),
            execution: execution.clone(),
            state: OnceLock::new(),
            secrets: RwLock::new(TemplateValue::from(Serde(BTreeMap::<String, String>::new()))),
            tasks: Arc::default(),
        };
        Self {
            root: Arc::new(root),
            element: None,
        }
    }

    /// The same values, and `item` and `index` beside them.
    #[must_use]
    pub fn with_element(&self, item: &Value, index: u32) -> Self {
        let element = Element {
            root: Arc::clone(&self.root),
            item: TemplateValue::from(Serde(item)),
            index,
        };
        Self {
            root: Arc::clone(&self.root),
            element: Some(Arc::new(element)),
        }
    }

    /// Makes known what the execution is going to end in, for `finally`. The first time counts.
    pub fn set_execution_state(&self, state: ExecutionState) {
        self.root.state.get_or_init(|| state);
    }

    /// Makes the values of secrets known.
    pub fn set_secrets(&self, secrets: impl IntoIterator<Item = (SecretName, String)>) {
        let secrets: BTreeMap<String, String> = secrets
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect();
        *self.root.secrets.write().unwrap_or_else(PoisonError::into_inner) = TemplateValue::from(Serde(secrets));
    }

    /// Makes the end of a task known. A task without an output has `null`.
    pub fn set_task(&self, id: &TaskId, state: TaskState, output: Option<Arc<Value>>) {
        self.set_task_with_files(id, state, output, BTreeMap::new());
    }

    /// Makes the end of a task known that left files: where another task finds each of them, by name.
    pub fn set_task_with_files(
        &self,
        id: &TaskId,
        state: TaskState,
        output: Option<Arc<Value>>,
        files: BTreeMap<String, String>,
    ) {
        let task = Task {
            state,
            output: Lazy::new(output.unwrap_or_default()),
            files,
        };
        let mut ended = self.root.tasks.0.write().unwrap_or_else(PoisonError::into_inner);
        ended.insert(id.clone(), Arc::new(task));
    }

    /// The value at a dotted path that begins with `tasks`, without a detour through the template engine.
    pub(crate) fn task_json(&self, path: &str) -> Option<Value> {
        let mut parts = path.strip_prefix("tasks.")?.split('.');
        let task = self.root.tasks.get(parts.next()?)?;
        if parts.next()? != "output" {
            return None;
        }
        let mut value = &*task.output.json;
        for part in parts {
            value = value.as_object()?.get(part)?;
        }
        Some(value.clone())
    }

    pub(crate) fn as_value(&self) -> TemplateValue {
        match &self.element {
            Some(element) => TemplateValue::from_dyn_object(Arc::clone(element)),
            None => TemplateValue::from_dyn_object(Arc::clone(&self.root)),
        }
    }

    /// Why the dotted `path` leads nowhere: the first name that is not there, and those that are.
    pub(crate) fn explain(&self, path: &str) -> Option<String> {
        let mut value = self.as_value();
        let mut walked = String::new();
        for part in path.split('.') {
            let next = value.get_attr(part).ok().filter(|next| !next.is_undefined());
            let Some(next) = next else {
                let mut known: Vec<String> = value.try_iter().ok()?.map(|key| key.to_string()).collect();
                known.sort();
                known.truncate(20);
                let place = if walked.is_empty() {
                    String::new()
                } else {
                    format!(" in `{walked}`")
                };
                let known = if known.is_empty() {
                    "nothing".to_owned()
                } else {
                    known.join(", ")
                };
                return Some(format!("`{part}` is not known{place}; known: {known}"));
            };
            value = next;
            if !walked.is_empty() {
                walked.push('.');
            }
            walked.push_str(part);
        }
        None
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.write_str("Scope")
    }
}

impl Object for Root {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<TemplateValue> {
        match key {
            "inputs" => Some(self.inputs.value()),
            "execution" => {
                let mut execution = serde_json::json!({
                    "id": self.execution.id,
                    "workflowId": self.execution.workflow_id,
                    "startedAt": self.execution.started_at,
                });
                if let Some(state) = self.state.get() {
                    execution["state"] = state.as_str().into();
                }
                Some(TemplateValue::from(Serde(&execution)))
            }
            "secrets" => Some(self.secrets.read().unwrap_or_else(PoisonError::into_inner).clone()),
            "tasks" => Some(TemplateValue::from_dyn_object(Arc::clone(&self.tasks))),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["execution", "inputs", "secrets", "tasks"])
    }
}

impl Object for Element {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<TemplateValue> {
        match key {
            "item" => Some(self.item.clone()),
            "index" => Some(TemplateValue::from(self.index)),
            _ => self.root.get_value_by_str(key),
        }
    }

    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["execution", "index", "inputs", "item", "secrets", "tasks"])
    }
}

#[derive(Debug, Default)]
struct Tasks(RwLock<HashMap<TaskId, Arc<Task>>>);

impl Tasks {
    fn get(&self, id: &str) -> Option<Arc<Task>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl Object for Tasks {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<TemplateValue> {
        self.get(key).map(TemplateValue::from_dyn_object)
    }

    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let ended = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Enumerator::Values(ended.keys().map(|id| TemplateValue::from(id.as_str())).collect())
    }
}

#[derive(Debug)]
struct Task {
    state: TaskState,
    output: Lazy,
    files: BTreeMap<String, String>,
}

impl Object for Task {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<TemplateValue> {
        match key {
            "output" => Some(self.output.value()),
            "state" => Some(TemplateValue::from(self.state.as_str())),
            "files" => Some(TemplateValue::from(Serde(&self.files))),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["files", "output", "state"])
    }
}
