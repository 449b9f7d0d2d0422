//! JSON Schemas as tables of Markdown. They are of strangers: whatever refers to whatever, there is an end.

use serde_json::Value;

use super::markdown::{code, inline};
use super::safe;

/// The most parts that are read of one page's schemas: what refers to itself in many ways has no other end.
const PARTS_MAX: usize = 5_000;

/// The deepest that parts lie in each other.
const DEPTH_MAX: usize = 24;

/// The order of the headings of sections.
const HEADING: &str = "####";

/// An object that has a table of its own.
#[derive(Debug)]
struct Section {
    title: String,
    anchor: String,
    objects: Vec<Value>,
    definitions: Option<Value>,
}

/// The tables of one page. An object that stands in several schemas has one section.
#[derive(Debug, Default)]
pub(super) struct Tables {
    sections: Vec<Section>,
    /// So many sections are written.
    done: usize,
    definitions: Option<Value>,
    /// The names that are being followed.
    followed: Vec<String>,
    depth: usize,
    parts: usize,
}

impl Tables {
    /// A schema behind its title: as a table, or in words where it is no object; and the sections of what is new in it.
    pub(super) fn described(&mut self, title: &str, schema: &Value) -> String {
        self.definitions = schema.get("$defs").or_else(|| schema.get("definitions")).cloned();
        let mut text = if has_keys(schema) {
            format!("\n{title}:\n\n{}", self.table(schema))
        } else {
            format!("\n{title}: {}\n", self.kind("value", schema))
        };
        while let Some(section) = self.sections.get(self.done) {
            let (title, objects) = (section.title.clone(), section.objects.clone());
            self.done += 1;
            text.extend([format!("\n{HEADING} {}\n", inline(&title))]);
            for object in &objects {
                text.extend([format!("\n{}", self.table(object))]);
            }
        }
        text
    }

    fn table(&mut self, object: &Value) -> String {
        let Some(keys) = object.get("properties").and_then(Value::as_object) else {
            return String::new();
        };
        if keys.is_empty() {
            return "No keys.\n".to_owned();
        }
        let required: Vec<&str> = list(object.get("required")).filter_map(Value::as_str).collect();
        let mut text = "| key | type | default | what it is |\n| --- | --- | --- | --- |\n".to_owned();
        for (key, value) in keys {
            let kind = self.kind(key, value);
            let target = self.target(value);
            let default = value.get("default").or_else(|| target?.get("default"));
            let default = match default {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(default) if !default.is_null() => code(&plain(default)),
                _ => String::new(),
            };
            let about = value.get("description").and_then(Value::as_str).unwrap_or_default();
            text.extend([format!("| {} | {kind} | {default} | {} |\n", code(key), inline(about))]);
        }
        text
    }

    fn target(&self, node: &Value) -> Option<&Value> {
        self.definitions.as_ref()?.get(reference(node)?)
    }

    /// What a value may be, in words. Objects get a section and are linked to.
    fn kind(&mut self, key: &str, node: &Value) -> String {
        self.parts += 1;
        if self.parts > PARTS_MAX || self.depth > DEPTH_MAX {
            return "any JSON".to_owned();
        }
        self.depth += 1;
        let words = self.words(key, node);
        self.depth -= 1;
        words
    }

    fn words(&mut self, key: &str, node: &Value) -> String {
        if let Some(target) = self.target(node) {
            let (name, target) = (reference(node).unwrap_or_default().to_owned(), target.clone());
            if self.followed.contains(&name) {
                return inline(&name);
            }
            self.followed.push(name.clone());
            let words = self.kind(&name, &target);
            drop(self.followed.pop());
            return words;
        }
        if let Some(choices) = node.get("enum").and_then(Value::as_array) {
            return joined(choices.iter().map(|one| code(&plain(one))), ", ");
        }
        if let Some(only) = node.get("const") {
            return code(&plain(only));
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(kinds) = node.get(several).and_then(Value::as_array) {
                return self.one_of(key, kinds);
            }
        }
        match node.get("type") {
            Some(Value::String(kind)) => self.simple(key, kind, node),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                let kinds: Vec<String> = kinds.map(|kind| self.simple(key, kind, node)).collect();
                joined(kinds, " or ")
            }
            _ if has_keys(node) => self.section(key, vec![node.clone()]),
            _ => "any JSON".to_owned(),
        }
    }

    fn one_of(&mut self, key: &str, kinds: &[Value]) -> String {
        let (objects, others): (Vec<&Value>, Vec<&Value>) = kinds.iter().partition(|kind| has_keys(kind));
        let mut words: Vec<String> = Vec::new();
        for kind in others {
            let word = self.kind(key, kind);
            if kind.get("type").and_then(Value::as_str) != Some("null") && !words.contains(&word) {
                words.push(word);
            }
        }
        if !objects.is_empty() {
            words.push(self.section(key, objects.into_iter().cloned().collect()));
        }
        joined(words, " or ")
    }

    fn simple(&mut self, key: &str, kind: &str, node: &Value) -> String {
        match kind {
            "object" if has_keys(node) => self.section(key, vec![node.clone()]),
            "object" => match node.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("mapping of {}", self.kind(key, values)),
                _ => "mapping".to_owned(),
            },
            "array" => match node.get("items") {
                Some(items) => format!("list of {}", self.kind(key, items)),
                None => "list".to_owned(),
            },
            "string" => match node
                .get("pattern")
                .or_else(|| node.get("format"))
                .and_then(Value::as_str)
            {
                Some(like) => format!("text like {}", code(like)),
                None => "text".to_owned(),
            },
            "integer" | "number" => match (number(node, "minimum"), number(node, "maximum")) {
                (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
                (Some(least), None) => format!("{kind} from {least}"),
                (None, Some(most)) => format!("{kind} up to {most}"),
                (None, None) => kind.to_owned(),
            },
            other => inline(other),
        }
    }

    /// A link to the section of an object, which is made where it is new.
    fn section(&mut self, title: &str, objects: Vec<Value>) -> String {
        let refers = objects.iter().any(|object| object.to_string().contains("\"$ref\""));
        let same = self.sections.iter().find(|section| {
            section.objects == objects
                && section.title.split(" (").next() == Some(title)
                && (!refers || section.definitions == self.definitions)
        });
        if let Some(same) = same {
            return format!("[{}](#{})", inline(&same.title), same.anchor);
        }
        let taken = |title: &str| {
            let anchor = anchor(title);
            self.sections.iter().any(|section| section.anchor == anchor)
        };
        let numbered = (2..=PARTS_MAX + 1).map(|number| format!("{title} ({number})"));
        let title = std::iter::once(title.to_owned())
            .chain(numbered)
            .find(|title| !taken(title))
            .unwrap_or_default();
        let anchor = anchor(&title);
        let link = format!("[{}](#{anchor})", inline(&title));
        self.sections.push(Section {
            title,
            anchor,
            objects,
            definitions: self.definitions.clone(),
        });
        link
    }
}

/// The anchor that GitHub and mdBook make of a heading.
fn anchor(heading: &str) -> String {
    let letters = safe(heading.trim()).to_lowercase();
    let kept = letters
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The name of the definition that a schema is a reference to.
pub(super) fn reference(node: &Value) -> Option<&str> {
    let path = node.get("$ref")?.as_str()?;
    path.strip_prefix("#/$defs/")
        .or_else(|| path.strip_prefix("#/definitions/"))
}

fn has_keys(node: &Value) -> bool {
    node.get("properties").is_some_and(Value::is_object)
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// A number; nothing else that stands in its place.
fn number<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
    node.get(key).filter(|value| value.is_number())
}

fn joined(words: impl IntoIterator<Item = String>, between: &str) -> String {
    words.into_iter().collect::<Vec<String>>().join(between)
}

/// A value as one would write it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_refers_to_itself_has_an_end() {
        let names: Vec<String> = (0..40).map(|number| format!("d{number}")).collect();
        let all: Vec<Value> = names
            .iter()
            .map(|name| json!({ "$ref": format!("#/$defs/{name}") }))
            .collect();
        let defs: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| (name.clone(), json!({ "anyOf": all })))
            .collect();
        let schema = json!({ "$defs": defs, "properties": { "a": { "$ref": "#/$defs/d0" } } });
        let text = Tables::default().described("Inputs", &schema);
        assert!(text.len() < 1 << 20, "{} bytes", text.len());
        let tree = json!({ "$defs": { "T": { "type": "object", "properties": { "next": { "$ref": "#/$defs/T" } } } },
            "$ref": "#/$defs/T" });
        let text = Tables::default().described("Output", &tree);
        assert_eq!(text.matches("#### T").count(), 1, "{text}");
        assert!(text.contains("| `next` | [T](#t) |"), "{text}");
    }

    #[test]
    fn sections_of_one_name_are_told_apart_and_equal_ones_are_one() {
        let one =
            json!({ "properties": { "Saved": { "type": "object", "properties": { "a": { "type": "string" } } } } });
        let other =
            json!({ "properties": { "Saved": { "type": "object", "properties": { "b": { "type": "string" } } } } });
        let mut tables = Tables::default();
        let text = [&one, &one, &other, &other]
            .map(|schema| tables.described("Inputs", schema))
            .concat();
        assert_eq!(text.matches("#### ").count(), 2, "{text}");
        assert_eq!(text.matches("[Saved](#saved)").count(), 2, "{text}");
        assert_eq!(text.matches("[Saved (2)](#saved-2)").count(), 2, "{text}");
    }
}
