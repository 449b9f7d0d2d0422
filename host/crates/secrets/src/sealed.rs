//! JSON at rest whose secrets stand as references: it can be kept anywhere, and opened by whoever has the secrets.
//!
//! A text that holds secrets becomes `{"$sealed": [part, …]}`, where a part is a text or
//! `{"secret": name, "form": number, "from": byte}`; an object with such a key becomes
//! `{"$sealedEntries": [[key, value], …]}`. An object of the user's own that has one of the two keys is written as entries
//! as well, so that reading back is never in doubt.

use serde_json::{Map, Value, json};

use crate::json::MaskedJson;
use crate::masker::{MASK, Masker, Part};

const TEXT: &str = "$sealed";
const ENTRIES: &str = "$sealedEntries";

/// A JSON value without its secrets, from which it can be made again. The [`Masker`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedJson(Value);

/// Why a sealed value cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A secret in it has no value any more, or another shape.
    #[error("the secret `{name}` in a stored value is not known any more, or was replaced by one of another kind")]
    Secret {
        /// The secret.
        name: String,
    },
    /// It is not what a masker makes.
    #[error("a stored value is damaged")]
    Damaged,
}

impl SealedJson {
    /// A value read back from the store, which takes nothing that is not sealed.
    #[must_use]
    pub const fn from_store(value: Value) -> Self {
        Self(value)
    }

    /// What the store keeps.
    #[must_use]
    pub const fn stored(&self) -> &Value {
        &self.0
    }

    /// The value as views have it: each secret as `***`.
    #[must_use]
    pub fn masked(&self) -> MaskedJson {
        MaskedJson::from_store(masked(&self.0))
    }
}

impl Masker {
    /// `value` with every secret as a reference.
    #[must_use]
    pub fn seal(&self, value: &Value) -> SealedJson {
        SealedJson(self.sealed(value))
    }

    /// The value that was sealed.
    ///
    /// # Errors
    /// [`OpenError`] where a secret is not known to this masker.
    pub fn open(&self, sealed: &SealedJson) -> Result<Value, OpenError> {
        self.opened(&sealed.0)
    }

    fn sealed(&self, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            // A number that is a secret comes back as text: JSON has no number in parts.
            Value::Bool(_) | Value::Number(_) => self.sealed_text(&value.to_string()).unwrap_or_else(|| value.clone()),
            Value::String(text) => self.sealed_text(text).unwrap_or_else(|| value.clone()),
            Value::Array(items) => items.iter().map(|item| self.sealed(item)).collect(),
            Value::Object(entries) => {
                let special = |key: &String| key == TEXT || key == ENTRIES || self.sealed_text(key).is_some();
                if entries.keys().any(special) {
                    let text = |key: &String| self.sealed_text(key).unwrap_or_else(|| key.as_str().into());
                    let pairs = entries
                        .iter()
                        .map(|(key, value)| json!([text(key), self.sealed(value)]));
                    return json!({ ENTRIES: pairs.collect::<Vec<_>>() });
                }
                let entries = entries.iter();
                Value::Object(entries.map(|(key, value)| (key.clone(), self.sealed(value))).collect())
            }
        }
    }

    /// A text in parts; none where no secret is in it.
    fn sealed_text(&self, text: &str) -> Option<Value> {
        let parts = self.parts(text);
        if parts.iter().all(|part| matches!(part, Part::Plain(_))) {
            return None;
        }
        let part = |part: Part<'_>| match part {
            Part::Plain(text) => json!(text),
            Part::Secret(name, form, from) => json!({ "secret": name, "form": form, "from": from }),
        };
        Some(json!({ TEXT: parts.into_iter().map(part).collect::<Vec<_>>() }))
    }

    fn opened(&self, value: &Value) -> Result<Value, OpenError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
            Value::Array(items) => items.iter().map(|item| self.opened(item)).collect(),
            Value::Object(entries) => {
                if let Some(parts) = only(entries, TEXT) {
                    return self.opened_text(parts).map(Value::String);
                }
                if let Some(pairs) = only(entries, ENTRIES) {
                    let mut opened = Map::new();
                    for pair in pairs {
                        let [key, value] = pair.as_array().map_or(&[][..], Vec::as_slice) else {
                            return Err(OpenError::Damaged);
                        };
                        let Value::String(key) = self.opened(key)? else {
                            return Err(OpenError::Damaged);
                        };
                        opened.insert(key, self.opened(value)?);
                    }
                    return Ok(Value::Object(opened));
                }
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| Ok((key.clone(), self.opened(value)?)));
                Ok(Value::Object(entries.collect::<Result<_, _>>()?))
            }
        }
    }

    fn opened_text(&self, parts: &[Value]) -> Result<String, OpenError> {
        let mut text = String::new();
        for part in parts {
            if let Value::String(plain) = part {
                text.push_str(plain);
                continue;
            }
            let name = part.get("secret").and_then(Value::as_str).ok_or(OpenError::Damaged)?;
            let number = |key: &str| part.get(key).and_then(Value::as_u64).ok_or(OpenError::Damaged);
            let form = u16::try_from(number("form")?).map_err(|_| OpenError::Damaged)?;
            let from = usize::try_from(number("from")?).map_err(|_| OpenError::Damaged)?;
            // To the end of the form, so that a secret that was replaced by a longer one is whole.
            let missing = || OpenError::Secret { name: name.to_owned() };
            let bytes = self
                .form(name, form)
                .and_then(|bytes| bytes.get(from..))
                .ok_or_else(missing)?;
            text.push_str(std::str::from_utf8(bytes).map_err(|_| missing())?);
        }
        Ok(text)
    }
}

/// The list under the only key of an object, if it is `key`.
fn only<'v>(entries: &'v Map<String, Value>, key: &str) -> Option<&'v [Value]> {
    let list = entries.get(key).filter(|_| entries.len() == 1)?;
    list.as_array().map(Vec::as_slice)
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(entries) => {
            if let Some(parts) = only(entries, TEXT) {
                return Value::String(masked_text(parts));
            }
            if let Some(pairs) = only(entries, ENTRIES) {
                let pair = |pair: &Value| {
                    let Value::String(key) = masked(pair.get(0)?) else {
                        return None;
                    };
                    Some((key, masked(pair.get(1)?)))
                };
                return Value::Object(pairs.iter().filter_map(pair).collect());
            }
            Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), masked(value)))
                    .collect(),
            )
        }
    }
}

/// Secrets side by side are one mask, as in a stream.
fn masked_text(parts: &[Value]) -> String {
    let mut text = String::new();
    let mut after_secret = false;
    for part in parts {
        match part {
            Value::String(plain) => text.push_str(plain),
            _ if !after_secret => text.push_str(MASK),
            _ => {}
        }
        after_secret = !part.is_string();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::SecretValue;

    fn masker(secrets: &[(&str, &str)]) -> Masker {
        let named = secrets.iter().map(|(name, value)| {
            let name = name.parse().expect("a good name");
            (name, SecretValue::new((*value).to_owned()))
        });
        Masker::new(&named.collect())
    }

    #[test]
    fn secrets_are_references_at_rest_and_come_back() {
        let masker = masker(&[("A", "hidden-word"), ("B", "98765")]);
        let value = json!({
            "plain": [1, true, null, "text"],
            "inner": "x hidden-word y aGlkZGVuLXdvcmQ",
            "hidden-word": { "$sealed": ["hidden-word"] },
        });
        let sealed = masker.seal(&value);
        let text = sealed.stored().to_string();
        assert!(!text.contains("hidden-word") && !text.contains("aGlkZGVu"), "{text}");
        assert_eq!(masker.open(&sealed), Ok(value.clone()));
        assert_eq!(sealed.masked(), masker.mask_json(&value));
        let numbers = masker.seal(&json!(98765));
        assert_eq!(masker.open(&numbers), Ok(json!("98765")), "a number comes back as text");
    }

    #[test]
    fn a_replaced_secret_opens_as_the_new_one_and_a_lost_one_not_at_all() {
        let sealed = masker(&[("A", "hidden-word")]).seal(&json!("say hidden-word, 68696464656e2d776f7264"));
        let opened = masker(&[("A", "another")]).open(&sealed);
        assert_eq!(opened, Ok(json!("say another, 616e6f74686572")));
        let lost = masker(&[("B", "hidden-word")]).open(&sealed);
        assert_eq!(lost, Err(OpenError::Secret { name: "A".to_owned() }));
    }

    #[test]
    fn a_placeholder_opens_as_that_of_whoever_opens_it() {
        let secret = || {
            let value = SecretValue::new("hidden-word".to_owned());
            crate::BoundSecret::new("A".parse().expect("a name"), value, [].into()).expect("there is randomness")
        };
        let (before, after) = (secret(), secret());
        assert_ne!(before.placeholder(), after.placeholder());
        let masker = |bound: &crate::BoundSecret| {
            let values = std::iter::once((bound.name().clone(), bound.value().clone())).collect();
            Masker::with_bound(&values, std::slice::from_ref(bound))
        };
        let sealed = masker(&before).seal(&json!(format!("Bearer {} or hidden-word", before.placeholder())));
        assert_eq!(sealed.masked().value(), &json!("Bearer *** or ***"));
        let opened = masker(&after).open(&sealed);
        assert_eq!(
            opened,
            Ok(json!(format!("Bearer {} or hidden-word", after.placeholder())))
        );
    }

    #[test]
    fn damage_is_told_and_does_not_panic() {
        for value in [
            json!({ "$sealed": [1] }),
            json!({ "$sealedEntries": [["a"], 1] }),
            json!({ "$sealed": [{ "secret": "A" }] }),
        ] {
            let sealed = SealedJson::from_store(value);
            assert!(masker(&[("A", "hidden-word")]).open(&sealed).is_err(), "{sealed:?}");
            drop(sealed.masked());
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            "[a-z]{0,3}",
            Just("$sealed".to_owned()),
            Just("$sealedEntries".to_owned()),
            Just("abab".to_owned())
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[abé]{0,20}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(key.clone(), inner, 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_as_it_was_and_shows_nothing(value in any_json()) {
            let masker = masker(&[("A", "abab"), ("B", "babba"), ("C", "éabé")]);
            let sealed = masker.seal(&value);
            for secret in ["abab", "babba", "éabé"] {
                prop_assert!(!sealed.stored().to_string().contains(secret), "{:?}", sealed);
            }
            prop_assert_eq!(masker.open(&sealed).expect("it opens"), value);
        }
    }
}
