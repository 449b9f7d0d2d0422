//! One attack, as its file in `tests/hostile/attacks/` describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::component::Made;
use super::servers::Kind;
use super::setup::Step;
use crate::support::repository;

/// A file of `tests/hostile/attacks/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Attack {
    /// What is tried, and why it must fail.
    pub(crate) way: String,
    /// What is there before.
    #[serde(default)]
    pub(crate) setup: Vec<Step>,
    /// Where names lead: each list of addresses once, in turn, and the last from then on.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, Vec<Vec<String>>>,
    /// A server that attacks as well. `$PORT` stands for its port.
    pub(crate) server: Option<Kind>,
    /// Long texts, by the words that stand for them.
    #[serde(default)]
    fill: BTreeMap<String, Fill>,
    /// A component beside the hostile one.
    pub(crate) component: Option<Made>,
    /// The task is there once for each of these, which `$EACH` stands for.
    #[serde(default)]
    each: Vec<String>,
    /// Words of the contract of `test/hostile.script`, in place of a task.
    script: Option<String>,
    /// The permissions of the script's task.
    #[serde(default)]
    permissions: Value,
    /// The limits of the script's task.
    #[serde(default)]
    limits: Value,
    /// The task that attacks.
    task: Option<Value>,
    /// More keys of the workflow.
    #[serde(default)]
    workflow: BTreeMap<String, Value>,
    /// A whole workflow as text, which must be refused or is what a program runs.
    text: Option<String>,
    /// Lines of arguments: the program runs each.
    #[serde(default)]
    pub(crate) program: Vec<String>,
    /// What must come of it.
    pub(crate) must: Must,
}

/// A text many times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    text: String,
    times: usize,
}

/// What must come of an attack.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Must {
    /// The state of the task; FAILED where none is named.
    pub(crate) state: Option<String>,
    pub(crate) reason: Option<String>,
    /// A part of the task's message.
    pub(crate) message: Option<String>,
    /// The whole output.
    pub(crate) output: Option<Value>,
    /// What is denied, in any order.
    pub(crate) denied: Option<Vec<String>>,
    /// A part of a log entry.
    pub(crate) log: Option<String>,
    /// A part of the words by which a file or a component is refused, before anything runs.
    pub(crate) refused: Option<String>,
    /// Files, and what is in them afterwards.
    pub(crate) leaves: BTreeMap<String, String>,
    /// What is not there afterwards.
    pub(crate) without: Vec<String>,
    /// What stands in nothing that was kept.
    pub(crate) nowhere: Vec<String>,
    /// How many connections reached the server.
    pub(crate) asked: Option<usize>,
    /// What never reached the server.
    pub(crate) unasked: Vec<String>,
    /// How each run of the program ends.
    pub(crate) codes: Vec<i32>,
    /// Parts of what the program prints.
    pub(crate) shows: Vec<String>,
}

impl Attack {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("an attack is readable");
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The workflow: the tasks that attack, and one beside them that must not be harmed.
    pub(crate) fn flow(&self, port: u16) -> Option<String> {
        let task = self
            .task
            .clone()
            .or_else(|| self.script.as_deref().map(|script| self.scripted(script)))?;
        let once = [String::new()];
        let each = if self.each.is_empty() { &once[..] } else { &self.each };
        let mut tasks: Vec<Value> = each
            .iter()
            .enumerate()
            .map(|(number, each)| self.numbered(&task, number, each))
            .collect();
        tasks.push(serde_json::json!({ "id": "bystander", "type": "test/hostile.ok" }));
        let mut flow: BTreeMap<&str, Value> = self
            .workflow
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect();
        flow.insert("id", "attacked".into());
        flow.insert("tasks", tasks.into());
        let text = serde_json::to_string(&flow).expect("it is JSON");
        Some(self.filled(&text, port))
    }

    /// The text, where one is given.
    pub(crate) fn text(&self, port: u16) -> Option<String> {
        self.text.as_deref().map(|text| self.filled(text, port))
    }

    /// How many tasks attack.
    pub(crate) fn attackers(&self) -> usize {
        self.each.len().max(1)
    }

    fn scripted(&self, script: &str) -> Value {
        let mut task = serde_json::json!({ "type": "test/hostile.script", "timeoutSeconds": 20, "inputs": { "do": script.trim().replace('\n', " ") } });
        for (key, value) in [("permissions", &self.permissions), ("limits", &self.limits)] {
            if !value.is_null() {
                task[key] = value.clone();
            }
        }
        task
    }

    fn numbered(&self, task: &Value, number: usize, each: &str) -> Value {
        let inside = serde_json::to_string(each).expect("it is JSON");
        let inside = inside.trim_start_matches('"').trim_end_matches('"');
        let text = task.to_string().replace("$EACH", inside);
        let mut task: Value = serde_json::from_str(&text).expect("it is still JSON");
        task["id"] = if self.each.is_empty() {
            "attack".into()
        } else {
            format!("attack-{number}").into()
        };
        task
    }

    fn filled(&self, text: &str, port: u16) -> String {
        let text = text.replace("$PORT", &port.to_string());
        self.fill.iter().fold(text, |text, (name, fill)| {
            text.replace(&format!("${name}"), &fill.text.repeat(fill.times))
        })
    }
}

/// The folder of all attacks.
pub(crate) fn folder() -> PathBuf {
    repository().join("tests/hostile/attacks")
}

/// The attacks of one area, by path.
pub(crate) fn of_area(area: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(area)).expect("the area has a folder");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
