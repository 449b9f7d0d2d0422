//! Why a value does not fit a schema, in words that stay readable where the value is long.

use jsonschema::ValidationError;
use serde_json::Value;

/// The longest value that a message shows, in bytes of its JSON. Of a longer one it says what it is, so that what was expected is not
/// lost behind it.
const SHOWN_BYTES_MAX: usize = 200;

/// What does not fit, and what was expected. It may hold a secret.
pub(crate) fn misfit(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    if value.to_string().len() <= SHOWN_BYTES_MAX {
        return error.to_string();
    }
    let what = match value.as_ref() {
        Value::String(text) => format!("a string of {} characters", text.chars().count()),
        Value::Array(items) => format!("a list of {}", counted(items.len(), "element")),
        Value::Object(keys) => format!("a mapping of {}", counted(keys.len(), "key")),
        Value::Null | Value::Bool(_) | Value::Number(_) => "a long number".to_owned(),
    };
    error.masked_with(what).to_string()
}

fn counted(count: usize, one: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {one}{end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, value: &Value) -> String {
        let schema = jsonschema::draft202012::new(schema).expect("a good schema");
        schema
            .iter_errors(value)
            .map(|error| misfit(&error))
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn what_was_expected_is_told_however_long_the_value_is() {
        let number = json!({ "type": "number" });
        assert_eq!(told(&number, &json!("ä")), "\"ä\" is not of type \"number\"");
        let long = "ä".repeat(1000);
        assert_eq!(
            told(&number, &json!(long)),
            "a string of 1000 characters is not of type \"number\""
        );
        assert_eq!(
            told(&number, &json!([long])),
            "a list of 1 element is not of type \"number\""
        );
        assert_eq!(
            told(&number, &json!({ "a": long, "b": 1 })),
            "a mapping of 2 keys is not of type \"number\""
        );
    }
}
