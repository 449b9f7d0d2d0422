//! JSON Schemas as tables of Markdown.

use std::collections::BTreeMap;

use serde_json::Value;

/// A part of a schema that has a table of its own.
struct Section {
    title: String,
    objects: Vec<Value>,
}

/// Tables of an object and of every object in it, under headings of the second and third order.
pub(super) struct Tables<'a> {
    definitions: Option<&'a Value>,
    sections: Vec<Section>,
    named: BTreeMap<String, usize>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        Self {
            definitions: schema.get("$defs"),
            sections: Vec::new(),
            named: BTreeMap::new(),
        }
    }

    /// The table of a schema's own keys; what they refer to is kept for [`Tables::sections`].
    pub(super) fn table(&mut self, object: &Value) -> String {
        let Some(keys) = object.get("properties").and_then(Value::as_object) else {
            return String::new();
        };
        let required: Vec<&str> = list(&object["required"]).collect();
        let mut text = "| key | type | default | what it is |\n| --- | --- | --- | --- |\n".to_owned();
        let keys: Vec<_> = keys.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        for (key, value) in keys {
            let kind = self.kind(&key, &value);
            let default = match value.get("default").or_else(|| self.target(&value)?.get("default")) {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(default) if !default.is_null() => format!("`{}`", plain(default)),
                _ => String::new(),
            };
            let about = value["description"].as_str().unwrap_or_default().replace('\n', " ");
            text.extend([format!(
                "| `{key}` | {} | {default} | {} |\n",
                bars(&kind),
                bars(&about)
            )]);
        }
        text
    }

    /// The tables of all that was referred to, each under a heading of this order.
    pub(super) fn sections(mut self, order: usize) -> String {
        let mut text = String::new();
        let mut done = 0;
        while let Some(section) = self.sections.get(done) {
            let title = section.title.clone();
            let objects = section.objects.clone();
            done += 1;
            text.extend([format!("\n{} {title}\n", "#".repeat(order))]);
            for object in objects {
                text.extend([format!("\n{}", self.table(&object))]);
            }
        }
        text
    }

    fn target(&self, node: &Value) -> Option<&'a Value> {
        let name = node.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.definitions?.get(name)
    }

    /// What a value may be, in words. Objects get a section and are linked to.
    fn kind(&mut self, key: &str, node: &Value) -> String {
        if let Some(target) = self.target(node) {
            let name = node["$ref"]
                .as_str()
                .and_then(|path| path.rsplit('/').next())
                .unwrap_or_default();
            // Their patterns tell a reader nothing.
            return match name {
                "id" => "id".to_owned(),
                "size" => "size, e.g. `64MiB`".to_owned(),
                _ => self.kind(name, &target.clone()),
            };
        }
        if let Some(choices) = node.get("enum").and_then(Value::as_array) {
            return choices
                .iter()
                .map(|one| format!("`{}`", plain(one)))
                .collect::<Vec<_>>()
                .join(", ");
        }
        if let Some(only) = node.get("const") {
            return format!("`{}`", plain(only));
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(kinds) = node.get(several).and_then(Value::as_array) {
                return self.one_of(key, kinds);
            }
        }
        match &node["type"] {
            Value::String(kind) => self.simple(key, kind, node),
            Value::Array(kinds) => {
                let kinds: Vec<String> = kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|kind| *kind != "null")
                    .map(|kind| self.simple(key, kind, node))
                    .collect();
                kinds.join(" or ")
            }
            _ => "any JSON".to_owned(),
        }
    }

    fn one_of(&mut self, key: &str, kinds: &[Value]) -> String {
        let is_object = |kind: &&Value| kind.get("properties").is_some();
        let objects: Vec<Value> = kinds.iter().filter(is_object).cloned().collect();
        let mut words: Vec<String> = Vec::new();
        for kind in kinds.iter().filter(|kind| !is_object(kind)) {
            let word = self.kind(key, kind);
            if kind["type"] != "null" && !words.contains(&word) {
                words.push(word);
            }
        }
        if !objects.is_empty() {
            words.push(self.section(key, objects));
        }
        words.join(" or ")
    }

    fn simple(&mut self, key: &str, kind: &str, node: &Value) -> String {
        match kind {
            "object" if node.get("properties").is_some() => self.section(key, vec![node.clone()]),
            "object" => match node.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("mapping of {}", self.kind(key, values)),
                _ => "mapping".to_owned(),
            },
            "array" => match node.get("items") {
                Some(items) => format!("list of {}", self.kind(key, items)),
                None => "list".to_owned(),
            },
            "string" => match node["pattern"].as_str() {
                Some(pattern) => format!("text like `{pattern}`"),
                None => "text".to_owned(),
            },
            "integer" | "number" => match (node.get("minimum"), node.get("maximum")) {
                (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
                (Some(least), None) => format!("{kind} from {least}"),
                _ => kind.to_owned(),
            },
            other => other.to_owned(),
        }
    }

    /// A link to the section of an object, which is made where it is new.
    fn section(&mut self, title: &str, objects: Vec<Value>) -> String {
        if !self.named.contains_key(title) {
            self.named.insert(title.to_owned(), self.sections.len());
            self.sections.push(Section {
                title: title.to_owned(),
                objects,
            });
        }
        format!("[{title}](#{})", title.to_lowercase())
    }
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
}

/// A value as one would write it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Text as a cell of a table.
pub(super) fn bars(text: &str) -> String {
    text.replace('|', "\\|")
}
