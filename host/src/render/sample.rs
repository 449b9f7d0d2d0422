//! The smallest workflow that uses an action: its required inputs, with values that its schema takes.

use autokestra_model::cases::schema_errors;
use autokestra_model::{ActionInfo, ActionName};
use serde_json::{Map, Value, json};

use super::markdown::fenced;
use super::safe;
use super::schema_tables::reference;

/// The longest example that is one.
const BYTES_MAX: usize = 4096;

/// The most values that are tried.
const STEPS_MAX: usize = 200;

/// The host of examples.
const HOST: &str = "host.example.com";

/// The keys that name files.
const FILES: &[&str] = &["path", "file", "from", "to"];

/// The example of an action as a block of YAML; none where no value could be found that its schema takes.
pub(super) fn sample(action: &ActionInfo) -> Option<String> {
    let schema = &action.input_schema;
    let mut samples = Samples {
        definitions: schema.get("$defs").or_else(|| schema.get("definitions")),
        steps: 0,
        names_file: false,
    };
    let inputs = match samples.value("input", schema)? {
        Value::Object(inputs) => inputs,
        Value::String(_) if schema.get("type").is_none() => Map::new(),
        _ => return None,
    };
    let inputs = Value::Object(inputs);
    if !schema_errors(schema, &inputs).is_empty() {
        return None;
    }
    let whole_name = ActionName::of(&action.plugin, &action.name).to_string();
    let mut task = json!({ "id": "it", "type": whole_name, "inputs": inputs });
    let mut granted = Map::new();
    if action.needs.hosts_meant {
        granted.insert("network".to_owned(), json!([format!("{HOST}:443")]));
    }
    if action.needs.filesystem && samples.names_file {
        granted.insert("filesystem".to_owned(), json!({ "write": ["./data"] }));
    }
    if !granted.is_empty()
        && let Some(task) = task.as_object_mut()
    {
        task.insert("permissions".to_owned(), Value::Object(granted));
    }
    let text = serde_yaml::to_string(&json!({ "id": "example", "tasks": [task] })).ok()?;
    // Two braces are an expression, and what a terminal obeys is shown otherwise than it is.
    let plain = !text.contains("{{") && !text.contains("{%") && !text.contains("{#") && safe(&text) == text;
    (text.len() <= BYTES_MAX && plain).then(|| fenced("yaml", &text))
}

/// Makes values.
struct Samples<'a> {
    definitions: Option<&'a Value>,
    steps: usize,
    names_file: bool,
}

impl Samples<'_> {
    fn value(&mut self, key: &str, node: &Value) -> Option<Value> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return None;
        }
        let given = node.get("const").or_else(|| node.get("examples")?.get(0));
        let given = given.or_else(|| node.get("default").filter(|value| !value.is_null()));
        if let Some(given) = given.or_else(|| node.get("enum")?.get(0)) {
            return Some(given.clone());
        }
        if let Some(target) = self
            .definitions
            .zip(reference(node))
            .and_then(|(all, name)| all.get(name))
        {
            return self.value(key, target);
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(kinds) = node.get(several).and_then(Value::as_array)
                && node.get("properties").is_none()
            {
                return kinds
                    .iter()
                    .find_map(|kind| self.value(key, kind).filter(|value| !value.is_null()));
            }
        }
        let kind = match node.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
            Some(kind) => kind.as_str(),
            None if node.get("properties").is_some() => Some("object"),
            None => Some("string"),
        };
        match kind? {
            "string" => Some(self.text(key, node).into()),
            "integer" | "number" => Some(number(node)),
            "boolean" => Some(true.into()),
            "null" => Some(Value::Null),
            "array" => {
                let count = node.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 16);
                let any = json!({});
                let items = node.get("items").unwrap_or(&any);
                (0..count).map(|_| self.value(key, items)).collect()
            }
            "object" => self.object(node),
            _ => None,
        }
    }

    fn object(&mut self, node: &Value) -> Option<Value> {
        let any = json!({});
        let mut made = Map::new();
        let required = node.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            let part = node.get("properties").and_then(|all| all.get(key)).unwrap_or(&any);
            made.insert(key.to_owned(), self.value(key, part)?);
        }
        Some(Value::Object(made))
    }

    /// A text that tells what to write in its place.
    fn text(&mut self, key: &str, node: &Value) -> String {
        let format = node.get("format").and_then(Value::as_str).unwrap_or_default();
        match format {
            "date-time" => return "2026-01-31T12:00:00Z".to_owned(),
            "date" => return "2026-01-31".to_owned(),
            "email" => return format!("name@{HOST}"),
            "uuid" => return "00000000-0000-4000-8000-000000000000".to_owned(),
            _ => {}
        }
        if matches!(format, "uri" | "url") || matches!(key, "url" | "uri") {
            return format!("https://{HOST}/");
        }
        if FILES.contains(&key) {
            self.names_file = true;
            return format!("./data/{key}");
        }
        let mut text: String = key
            .chars()
            .map(|c| {
                if c.is_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .take(64)
            .collect();
        let least = node.get("minLength").and_then(Value::as_u64).unwrap_or_default();
        while (text.chars().count() as u64) < least.min(1024) {
            text.push('X');
        }
        match node.get("maxLength").and_then(Value::as_u64).map(usize::try_from) {
            Some(Ok(most)) => text.chars().take(most).collect(),
            Some(Err(_)) | None => text,
        }
    }
}

/// The number nearest to 1 that fits.
fn number(node: &Value) -> Value {
    let bound = |key: &str| node.get(key).filter(|value| value.is_number());
    let past = |key: &str, by: i64| Some(json!(bound(key)?.as_i64()?.saturating_add(by)));
    let least = bound("minimum").cloned().or_else(|| past("exclusiveMinimum", 1));
    let most = bound("maximum").cloned().or_else(|| past("exclusiveMaximum", -1));
    let float = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
    match (float(&least), float(&most)) {
        (Some(low), _) if low > 1.0 => least.unwrap_or_else(|| 1.into()),
        (_, Some(high)) if high < 1.0 => most.unwrap_or_else(|| 1.into()),
        _ => 1.into(),
    }
}
