//! What `execution logs`, `list` and `inspect` must show, worked out from all that there is by other code than the program's.

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::scenes::Scene;

/// A command line, split as a shell does as far as the documents need it.
struct Words {
    flags: Vec<(String, Vec<String>)>,
    named: Option<String>,
}

impl Words {
    fn of(line: &str, command: &str) -> Self {
        let rest = line.strip_prefix(command).expect("the line is of the command");
        let word = Regex::new(r#""([^"]*)"|'([^']*)'|(\S+)"#).expect("a good pattern");
        let mut words = Self {
            flags: Vec::new(),
            named: None,
        };
        for found in word.captures_iter(rest) {
            let text = (1..=3).find_map(|group| found.get(group)).expect("one of them");
            let text = text.as_str();
            match (text.strip_prefix("--"), words.flags.last_mut()) {
                (Some(flag), _) => words.flags.push((flag.to_owned(), Vec::new())),
                (None, Some((_, values))) => values.extend(text.split(',').map(str::to_owned)),
                (None, None) => words.named = Some(text.to_owned()),
            }
        }
        words
    }

    fn values(&self, flag: &str) -> Option<Vec<&str>> {
        let found: Vec<&str> = self
            .flags
            .iter()
            .filter(|(name, _)| name == flag)
            .flat_map(|(_, values)| values.iter().map(String::as_str))
            .collect();
        (!found.is_empty()).then_some(found)
    }

    fn value(&self, flag: &str) -> Option<&str> {
        self.values(flag).and_then(|values| values.first().copied())
    }

    fn number(&self, flag: &str) -> Option<usize> {
        self.value(flag).map(|text| text.parse().expect("a number"))
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }

    /// The page of a list that is asked for.
    fn page(&self, all: Vec<Value>, limit: usize) -> Vec<Value> {
        let (skipped, taken) = (
            self.number("offset").unwrap_or(0),
            self.number("limit").unwrap_or(limit),
        );
        all.into_iter().skip(skipped).take(taken).collect()
    }
}

/// Holds what a line printed in a scene against what it must print.
type Check = fn(&Scene, &str, &str);

/// Checks a line that is one such command, and nothing else. Says whether it was one.
pub(super) fn check(scene: &Scene, line: &str, stdout: &str) -> bool {
    if line.contains(['|', '>', '<', ';', '#']) || line.contains("--follow") {
        return false;
    }
    let commands: [(&str, Check); 3] = [
        ("workflow execution logs", logs),
        ("workflow execution list", list),
        ("workflow execution inspect", inspect),
    ];
    for (command, check) in commands {
        if line == command || line.starts_with(&format!("{command} ")) {
            check(scene, line, stdout);
            return true;
        }
    }
    false
}

/// The same line, with JSON as its answer.
fn as_json(scene: &Scene, line: &str) -> Value {
    let asked = if line.contains("--json") {
        line.to_owned()
    } else {
        format!("{line} --json")
    };
    scene.bash(&asked).code(0).json()
}

fn logs(scene: &Scene, line: &str, stdout: &str) {
    let words = Words::of(line, "workflow execution logs");
    let all = match &words.named {
        Some(id) => scene.json(&format!("execution logs {id} --json")),
        None => scene.json("execution logs --json"),
    };
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let oldest = words.value("since").map(|since| {
        let (number, unit) = since.split_at(since.len() - 1);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => panic!("{since}: write it as 5m, 2h or 1d"),
        };
        let seconds = number.parse::<i64>().expect("a number") * seconds;
        Timestamp::now().as_second() - seconds
    });
    let pattern = words
        .value("grep")
        .map(|grep| Regex::new(grep).expect("a good pattern"));
    let fits = |entry: &Value| {
        words
            .values("level")
            .is_none_or(|levels| levels.contains(&text(entry, "level").as_str()))
            && words.value("task-id").is_none_or(|task| text(entry, "taskId") == task)
            && words.value("source").is_none_or(|source| {
                let found = text(entry, "source");
                found == source || found.starts_with(&format!("{source}:"))
            })
            && pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&text(entry, "message")))
            && oldest.is_none_or(|oldest| {
                let at: Timestamp = text(entry, "timestamp").parse().expect("a time");
                at.as_second() >= oldest
            })
    };
    let all: Vec<Value> = serde_json::from_value(all).expect("a list");
    let expected = words.page(all.into_iter().filter(|entry| fits(entry)).collect(), usize::MAX);
    assert!(!expected.is_empty(), "{line} shows nothing, which proves nothing");
    assert_eq!(as_json(scene, line), Value::Array(expected.clone()), "{line}");
    if !words.has("json") {
        let stamp =
            Regex::new(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO |WARN |ERROR) \[").expect("good");
        assert_eq!(stamp.find_iter(stdout).count(), expected.len(), "{line}\n{stdout}");
    }
}

fn list(scene: &Scene, line: &str, stdout: &str) {
    let words = Words::of(line, "workflow execution list");
    let all = scene.json("execution list --limit 1000 --json");
    let all: Vec<Value> = serde_json::from_value(all["executions"].clone()).expect("a list");
    let is = |entry: &Value, key: &str, wanted: Option<Vec<&str>>| {
        wanted.is_none_or(|wanted| wanted.contains(&entry[key].as_str().unwrap_or_default()))
    };
    let fitting: Vec<Value> = all
        .into_iter()
        .filter(|entry| is(entry, "state", words.values("state")) && is(entry, "workflowId", words.values("workflow")))
        .collect();
    let total = fitting.len();
    let expected = words.page(fitting, 50);
    assert!(!expected.is_empty(), "{line} lists nothing, which proves nothing");
    let found = as_json(scene, line);
    assert_eq!(found["executions"], Value::Array(expected.clone()), "{line}");
    assert_eq!(found["total"], total, "{line}");
    for entry in &expected {
        let id = entry["executionId"].as_str().expect("an id");
        assert!(stdout.contains(id), "{line} does not show {id}:\n{stdout}");
    }
}

fn inspect(scene: &Scene, line: &str, stdout: &str) {
    let words = Words::of(line, "workflow execution inspect");
    let found = as_json(scene, line);
    let id = found["executionId"].as_str().expect("an id");
    if words.named.as_deref() != Some("last") {
        assert_eq!(id, scene.execution, "{line}");
    }
    assert!(stdout.contains(id), "{line} does not name it:\n{stdout}");
    assert_eq!(found["logs"].is_array(), words.has("with-logs"), "{line}");
    assert_eq!(found["auditEvents"].is_array(), words.has("with-audit"), "{line}");
    let tasks = found["tasks"].as_array().expect("a list");
    if let Some(task) = words.value("task") {
        assert!(
            tasks.len() == 1 && tasks.iter().all(|found| found["taskId"] == task),
            "{line}: {tasks:#?}"
        );
    } else {
        assert!(!tasks.is_empty(), "{line}: {tasks:#?}");
    }
    if words.has("with-logs") {
        let shown = found["logs"].as_array().expect("a list").len();
        assert!(
            shown > 0 && shown <= words.number("logs-limit").unwrap_or(100),
            "{line}: {shown} entries"
        );
    }
    if !words.has("json") {
        for (flag, head) in [("with-logs", "Logs"), ("with-audit", "Audit"), ("timeline", "Timeline")] {
            assert_eq!(
                stdout.contains(&format!("\n{head}")),
                words.has(flag),
                "{line}: {head}\n{stdout}"
            );
        }
    }
}
