//! JSON that has been through the masker.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::masked::Masked;
use crate::masker::Masker;

/// A JSON value in which every secret is masked: in keys, in strings, and where a number or boolean is one.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedJson(Value);

impl MaskedJson {
    /// A value read back from the store, which takes nothing that is not masked.
    #[must_use]
    pub const fn from_store(value: Value) -> Self {
        Self(value)
    }

    /// An object of keys of our own source and masked texts.
    #[must_use]
    pub fn object<const N: usize>(entries: [(&'static str, Masked); N]) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::String(value.into_string())));
        Self(Value::Object(entries.collect()))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl Serialize for MaskedJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Masker {
    /// `value` with every secret replaced.
    #[must_use]
    pub fn mask_json(&self, value: &Value) -> MaskedJson {
        MaskedJson(self.masked_value(value))
    }

    fn masked_value(&self, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            Value::Bool(_) | Value::Number(_) => {
                let text = value.to_string();
                let masked = self.mask(&text);
                if masked.as_str() == text {
                    value.clone()
                } else {
                    Value::String(masked.into_string())
                }
            }
            Value::String(text) => Value::String(self.mask(text).into_string()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.masked_value(item)).collect()),
            Value::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| (self.mask(key).into_string(), self.masked_value(value)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::SecretValue;

    #[test]
    fn keys_strings_and_numbers_are_masked() {
        let secrets = [("A", "12345"), ("B", "hidden-word")]
            .map(|(name, value)| (name.parse().expect("a good name"), SecretValue::new(value.to_owned())));
        let masker = Masker::new(&secrets.into_iter().collect());
        let masked = masker.mask_json(&json!({ "hidden-word": [12345, 6, true, "a hidden-word"] }));
        assert_eq!(masked.value(), &json!({ "***": ["***", 6, true, "a ***"] }));
    }
}
