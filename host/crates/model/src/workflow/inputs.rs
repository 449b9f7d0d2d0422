//! A workflow's parameters: their declaration, and the values that a run is given.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::reader::{Fields, list, string};
use crate::workflow::{Workflow, parts};
use crate::yaml::{Node, NodeKind};

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    Array,
    /// A mapping.
    Object,
    /// Anything.
    Json,
}

impl InputType {
    const NAMES: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("array", Self::Array),
        ("object", Self::Object),
        ("json", Self::Json),
    ];

    /// Its name in a workflow.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("json", |(name, _)| name)
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Json => true,
        }
    }

    /// A command line's text as a value of this type.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::String(text.to_owned())),
            Self::Json => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))),
            Self::Integer | Self::Number | Self::Boolean | Self::Array | Self::Object => {
                serde_json::from_str(text).ok().filter(|value| self.fits(value))
            }
        }
    }
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InputSpec {
    /// Its name.
    pub id: String,
    /// Its type.
    pub kind: InputType,
    /// Whether a run must give it.
    pub required: bool,
    /// Its value where a run does not.
    pub default: Value,
    /// The values that it may have; empty: any.
    pub choices: Vec<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// A value that a run is given.
#[derive(Clone, Debug, PartialEq)]
pub enum GivenInput {
    /// Text, to be read as the declared type.
    Text(String),
    /// A value, to be checked against the declared type.
    Json(Value),
}

/// Reads `inputs`.
pub(super) fn read(items: &[Node], errors: &mut Diagnostics) -> Vec<InputSpec> {
    let mut found: Vec<InputSpec> = Vec::new();
    for item in items {
        let known = &["id", "type", "required", "default", "enum", "description"];
        let Some(fields) = Fields::read(item, "an input", known, errors) else {
            continue;
        };
        let Some(node) = fields.required("id", errors) else {
            continue;
        };
        let Some(id) = input_id(node, errors) else { continue };
        if found.iter().any(|input| input.id == id) {
            errors.push(Diagnostic::error(
                "duplicate_input",
                node.span,
                format!("the input `{id}` is declared twice"),
            ));
            continue;
        }
        let kind = fields.choice("type", &InputType::NAMES, errors);
        let choices = fields.get("enum").map(|node| (node, list(node, "enum", errors)));
        let input = InputSpec {
            id,
            kind: kind.unwrap_or(if fields.get("type").is_none() {
                InputType::String
            } else {
                InputType::Json
            }),
            required: fields.boolean("required", errors).unwrap_or(false),
            default: fields.get("default").map_or(Value::Null, Node::to_json),
            choices: choices
                .iter()
                .flat_map(|(_, items)| items.iter())
                .map(Node::to_json)
                .collect(),
            description: fields
                .get("description")
                .and_then(|node| string(node, "description", errors))
                .map(str::to_owned),
        };
        check_values(&input, &fields, errors);
        found.push(input);
    }
    found
}

fn input_id(node: &Node, errors: &mut Diagnostics) -> Option<String> {
    let id = parts::id::<crate::id::TaskId>(node, "id", errors)?;
    // `inputs.a-b` would be a subtraction in an expression.
    if id.as_str().contains('-') || id.as_str().starts_with(|c: char| c.is_ascii_digit()) {
        let error = Diagnostic::error("invalid_name", node.span, format!("`{id}` cannot name an input"));
        errors.push(error.label("expected a letter, then letters, digits or `_`, so that `inputs.…` can name it"));
        return None;
    }
    Some(id.as_str().to_owned())
}

fn check_values(input: &InputSpec, fields: &Fields<'_>, errors: &mut Diagnostics) {
    let fits = |value: &Value| input.kind.fits(value);
    let kind = input.kind.as_str();
    if let Some(node) = fields.get("default")
        && !matches!(node.kind, NodeKind::Null)
    {
        if !fits(&input.default) {
            let message = format!("the default of `{}` is {}", input.id, node.type_name());
            errors.push(Diagnostic::error("wrong_type", node.span, message).label(format!("expected: {kind}")));
        } else if !input.choices.is_empty() && !input.choices.contains(&input.default) {
            let message = format!("the default of `{}` is not in its `enum`", input.id);
            errors.push(Diagnostic::error("invalid_value", node.span, message));
        }
    }
    let choices = fields.get("enum").map(|node| &node.kind);
    if let Some(NodeKind::Sequence(items)) = choices {
        for (node, _) in items.iter().zip(&input.choices).filter(|(_, value)| !fits(value)) {
            let message = format!("a value of the `enum` of `{}` is {}", input.id, node.type_name());
            errors.push(Diagnostic::error("wrong_type", node.span, message).label(format!("expected: {kind}")));
        }
    }
}

impl Workflow {
    /// The inputs of a run: what is given, checked, and defaults for the rest.
    ///
    /// # Errors
    /// One sentence for each input that is unknown, missing, of the wrong type or not in its `enum`.
    pub fn bind_inputs(&self, given: &BTreeMap<String, GivenInput>) -> Result<Map<String, Value>, Vec<String>> {
        let mut errors = Vec::new();
        let known: Vec<&str> = self.inputs.iter().map(|input| input.id.as_str()).collect();
        for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
            errors.push(match (nearest(name, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => format!("there is no input `{name}`; did you mean `{near}`?"),
                (None, false) => format!("there is no input `{name}`; known: {}", known.join(", ")),
                (None, true) => format!("there is no input `{name}`: the workflow declares none"),
            });
        }
        let mut bound = Map::new();
        for input in &self.inputs {
            match bind(input, given.get(&input.id)) {
                Ok(value) => drop(bound.insert(input.id.clone(), value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(bound) } else { Err(errors) }
    }
}

fn bind(input: &InputSpec, given: Option<&GivenInput>) -> Result<Value, String> {
    let (id, kind) = (&input.id, input.kind.as_str());
    let value = match given {
        None if input.required && input.default.is_null() => {
            let about = input
                .description
                .as_ref()
                .map(|text| format!(" ({text})"))
                .unwrap_or_default();
            return Err(format!(
                "the input `{id}`{about} is required; give it with `--input {id}=…`"
            ));
        }
        None => return Ok(input.default.clone()),
        Some(GivenInput::Text(text)) => input
            .kind
            .read(text)
            .ok_or_else(|| format!("the input `{id}` must be of type {kind}, not `{text}`"))?,
        Some(GivenInput::Json(value)) if input.kind.fits(value) => value.clone(),
        Some(GivenInput::Json(_)) => return Err(format!("the input `{id}` must be of type {kind}")),
    };
    if input.choices.is_empty() || input.choices.contains(&value) {
        return Ok(value);
    }
    let choices: Vec<String> = input.choices.iter().map(Value::to_string).collect();
    Err(format!("the input `{id}` must be one of {}", choices.join(", ")))
}
