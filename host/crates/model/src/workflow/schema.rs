//! The language as a JSON Schema, for editors.

/// The JSON Schema (2020-12) of a workflow file, as text.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::workflow::{document, tasks};

    fn keys(schema: &Value, pointer: &str) -> Vec<String> {
        let properties = schema.pointer(pointer).and_then(Value::as_object).expect("properties");
        let mut keys: Vec<String> = properties.keys().cloned().collect();
        keys.sort();
        keys
    }

    fn sorted(keys: &[&str]) -> Vec<String> {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn it_has_the_keys_that_the_parser_knows_and_says_of_each_what_it_is() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("it is JSON");
        assert_eq!(keys(&schema, "/properties"), sorted(document::KEYS));
        assert_eq!(keys(&schema, "/$defs/task/properties"), sorted(tasks::KEYS));
        for pointer in [
            "/properties",
            "/$defs/task/properties",
            "/$defs/limits/properties",
            "/$defs/input/properties",
        ] {
            for (key, value) in schema.pointer(pointer).and_then(Value::as_object).expect("properties") {
                assert!(value["description"].is_string(), "{pointer}/{key} says nothing");
            }
        }
    }

    #[test]
    fn it_is_a_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("it is JSON");
        assert!(jsonschema::meta::is_valid(&schema));
        let check = jsonschema::draft202012::new(&schema).expect("a schema");
        let valid = |text: &str| {
            let value: Value = serde_yaml::from_str(text).expect("YAML");
            check.is_valid(&value)
        };
        assert!(valid(
            "id: a\ntasks: [{ id: t, type: core/console.log, needs: [{ task: b, on: always }] }]"
        ));
        assert!(valid(
            "id: a\nsecrets: [A, { name: B, onlyTo: [\"x:1\"] }]\nlimits: { memory: 64MiB, logBytes: 5 }\ntasks: [{ id: t, type: a/b.c }]"
        ));
        for broken in [
            "id: a",
            "id: a\ntasks: []",
            "id: a\ntasks: [{ id: t }]",
            "id: a\ntaks: []\ntasks: [{ id: t, type: a/b.c }]",
            "id: a\ntasks: [{ id: t, type: log }]",
            "id: '-'\ntasks: [{ id: t, type: a/b.c }]",
            "id: a\nlimits: { memory: lots }\ntasks: [{ id: t, type: a/b.c }]",
            "id: a\ntrigger: { type: cron, path: /x }\ntasks: [{ id: t, type: a/b.c }]",
        ] {
            assert!(!valid(broken), "{broken}");
        }
    }
}
