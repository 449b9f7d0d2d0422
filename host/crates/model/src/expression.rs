//! `{{ … }}`: MiniJinja, strict, with a limit on work and on text.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use minijinja::ErrorKind;
use serde_json::{Map, Value};

use self::bounds::{DEPTH_MAX, Limited, TEXT_BYTES_MAX, Work, check_value, on_a_large_stack};
use self::shape::Shape;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::id::{SecretName, TaskId};
use crate::scope::Scope;
use crate::yaml::{Node, NodeKind};

mod bounds;
mod shape;

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} in `{expression}`")]
pub struct RenderError {
    message: String,
    expression: String,
}

/// One `{{ … }}` or a text that holds some.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    source: Arc<str>,
    whole: bool,
    work: Work,
    /// Dotted names that it reads, e.g. `tasks.fetch.output.body`.
    names: Arc<[String]>,
    span: Span,
}

impl Expression {
    /// Reads a text that holds an expression; none where it holds none.
    fn parse(text: &str, span: Span) -> Option<Result<Self, Diagnostic>> {
        if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            return None;
        }
        let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let inner = inner.map(|inner| inner.trim_start_matches('-').trim_end_matches('-').trim());
        if let Some(inner) = inner
            && Shape::of_expression(inner).depth <= DEPTH_MAX
            && let Ok(expression) = Work::Plain.environment().compile_expression(inner)
        {
            let names = names_of(inner, expression.undeclared_variables(true));
            return Some(Ok(Self {
                source: inner.into(),
                whole: true,
                work: Work::Plain,
                names,
                span,
            }));
        }
        let shape = Shape::of_template(text);
        if shape.depth > DEPTH_MAX {
            let message = format!("the expression is a chain of more than {DEPTH_MAX} operators, filters or calls");
            return Some(Err(
                Diagnostic::error("expression_too_long", span, message).label("in this expression")
            ));
        }
        let work = Work::of(shape);
        match work.environment().template_from_str(text) {
            Ok(template) => {
                let names = names_of(text, template.undeclared_variables(true));
                Some(Ok(Self {
                    source: text.into(),
                    whole: false,
                    work,
                    names,
                    span,
                }))
            }
            Err(error) => {
                let detail = error.detail().unwrap_or("it cannot be read").to_owned();
                let message = format!("the expression is wrong: {detail}");
                Some(Err(
                    Diagnostic::error("expression_syntax", span, message).label("in this expression")
                ))
            }
        }
    }

    /// Reads `when`: one whole expression, or a plain boolean.
    pub(crate) fn condition(node: &Node, errors: &mut Diagnostics) -> Option<Self> {
        let text = match &node.kind {
            NodeKind::Bool(value) => format!("{{{{ {value} }}}}"),
            NodeKind::String(text) => text.clone(),
            NodeKind::Null | NodeKind::Number(_) | NodeKind::Sequence(_) | NodeKind::Mapping(_) => String::new(),
        };
        match Self::parse(&text, node.span) {
            Some(Ok(expression)) if expression.whole => return Some(expression),
            Some(Err(error)) => errors.push(error),
            Some(Ok(_)) | None => {
                let error = Diagnostic::error("not_an_expression", node.span, "one expression is needed here");
                errors.push(error.label("expected \"{{ … }}\" and nothing around it"));
            }
        }
        None
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The dotted names that it reads.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The text between the braces, or the whole text that holds them.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value, with the JSON type that it has where it is one whole expression, else text.
    ///
    /// # Errors
    /// [`RenderError`] for names and operations that do not work out, and past the limits.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, RenderError> {
        if !self.whole {
            return self.text(scope).map(Value::String);
        }
        if let [name] = &*self.names
            && **name == *self.source
            && let Some(value) = scope.task_json(name)
        {
            return Ok(value);
        }
        let value = self.value(scope)?;
        check_value(&value).map_err(|error| self.explained(&error, scope))?;
        serde_json::to_value(&value).map_err(|error| self.failed(error.to_string()))
    }

    /// Whether its value counts as true, as in Jinja: `false`, `none`, zero and empty things do not.
    ///
    /// # Errors
    /// [`RenderError`], as [`Self::evaluate`].
    pub fn evaluate_bool(&self, scope: &Scope) -> Result<bool, RenderError> {
        Ok(self.value(scope)?.is_true())
    }

    fn value(&self, scope: &Scope) -> Result<minijinja::Value, RenderError> {
        let environment = self.work.environment();
        let value = environment
            .compile_expression(&self.source)
            .and_then(|expression| expression.eval(scope.as_value()))
            .map_err(|error| self.explained(&error, scope))?;
        if value.is_undefined() {
            let why = self.names.iter().find_map(|name| scope.explain(name));
            return Err(self.failed(why.unwrap_or_else(|| "the value is undefined".to_owned())));
        }
        Ok(value)
    }

    fn text(&self, scope: &Scope) -> Result<String, RenderError> {
        let mut text = Limited(Vec::new());
        let template = self.work.environment().template_from_str(&self.source);
        let render =
            || template.and_then(|template| template.render_captured_to(scope.as_value(), &mut text).map(drop));
        let rendered = match self.work {
            Work::Plain => render(),
            Work::Keeping | Work::Cutting => {
                on_a_large_stack(render).map_err(|error| self.failed(error.to_string()))?
            }
        };
        if text.0.len() >= TEXT_BYTES_MAX {
            return Err(self.failed(format!("the text is longer than {TEXT_BYTES_MAX} bytes (4 MiB)")));
        }
        rendered.map_err(|error| self.explained(&error, scope))?;
        String::from_utf8(text.0).map_err(|error| self.failed(error.to_string()))
    }

    fn explained(&self, error: &minijinja::Error, scope: &Scope) -> RenderError {
        if error.kind() == ErrorKind::OutOfFuel {
            return self.failed(format!("it takes more than {} steps", self.work.fuel()));
        }
        if error.kind() == ErrorKind::UndefinedError
            && let Some(why) = self.names.iter().find_map(|name| scope.explain(name))
        {
            return self.failed(why);
        }
        self.failed(error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
    }

    fn failed(&self, message: String) -> RenderError {
        let mut expression: String = self.source.chars().take(120).collect();
        if expression.len() < self.source.len() {
            expression.push('…');
        }
        RenderError { message, expression }
    }
}

/// The dotted names of an expression. `tasks['my-id']` counts as `tasks.my-id`; what cannot be told stays as its root.
fn names_of(text: &str, undeclared: std::collections::HashSet<String>) -> Arc<[String]> {
    let globals: BTreeSet<&str> = Work::Plain.environment().globals().map(|(name, _)| name).collect();
    let mut names: BTreeSet<String> = undeclared
        .into_iter()
        .filter(|name| !globals.contains(name.split('.').next().unwrap_or(name)))
        .collect();
    for root in ["tasks", "secrets", "inputs"] {
        if names.contains(root)
            && let Some(subscripts) = constant_subscripts(text, root)
        {
            names.remove(root);
            names.extend(subscripts.into_iter().map(|name| format!("{root}.{name}")));
        }
    }
    names.into_iter().collect()
}

/// The quoted names after `root[`, where each use of `root` is followed by one or by a dot.
fn constant_subscripts(text: &str, root: &str) -> Option<Vec<String>> {
    static USE: LazyLock<regex::Regex> = LazyLock::new(|| {
        let pattern = r#"\b(tasks|secrets|inputs)\s*(\.|\[\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\]|\S|$)"#;
        regex::Regex::new(pattern).expect("the pattern is a literal")
    });
    let mut names = Vec::new();
    for found in USE
        .captures_iter(text)
        .filter(|found| found.get(1).is_some_and(|name| name.as_str() == root))
    {
        let quoted = found.get(3).or_else(|| found.get(4));
        match (quoted, found.get(2).map(|rest| rest.as_str())) {
            (Some(name), _) => names.push(name.as_str().to_owned()),
            (None, Some(".")) => {}
            (None, _) => return None,
        }
    }
    Some(names)
}

/// A JSON tree whose strings may hold expressions.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    root: TemplateNode,
    secrets: Vec<SecretName>,
}

#[derive(Clone, Debug, PartialEq)]
enum TemplateNode {
    Literal(Value),
    Expression(Expression, Arc<str>),
    Sequence(Vec<Self>),
    Mapping(Vec<(String, Self)>),
}

impl Default for Template {
    fn default() -> Self {
        Self {
            root: TemplateNode::Mapping(Vec::new()),
            secrets: Vec::new(),
        }
    }
}

impl Template {
    /// Reads the strings of a tree.
    pub(crate) fn parse(node: &Node, errors: &mut Diagnostics) -> Self {
        let root = TemplateNode::parse(node, errors);
        let mut template = Self {
            root,
            secrets: Vec::new(),
        };
        let mut secrets: Vec<SecretName> = template
            .expressions()
            .iter()
            .flat_map(|expression| expression.names())
            .filter_map(|name| name.strip_prefix("secrets.")?.split('.').next()?.parse().ok())
            .collect();
        secrets.sort();
        secrets.dedup();
        template.secrets = secrets;
        template
    }

    /// The value, with every expression evaluated.
    ///
    /// # Errors
    /// [`RenderError`] of the first expression that gives no value.
    pub fn render(&self, scope: &Scope) -> Result<Value, RenderError> {
        self.root.render(scope)
    }

    /// The tree as it was written: expressions as text, secrets as names.
    #[must_use]
    pub fn source(&self) -> Value {
        self.root.source()
    }

    /// The value of a key of a mapping, where no expression is in it.
    #[must_use]
    pub fn literal(&self, key: &str) -> Option<Value> {
        let mut literals = self.literals().into_iter();
        literals.find_map(|(name, value)| value.filter(|_| name == key))
    }

    /// The secrets that it names.
    #[must_use]
    pub fn secrets(&self) -> &[SecretName] {
        &self.secrets
    }

    /// The tasks whose files it names.
    #[must_use]
    pub fn files_of(&self) -> Vec<TaskId> {
        let names = self.expressions().into_iter().flat_map(Expression::names);
        let mut found: Vec<TaskId> = names
            .filter_map(|name| {
                let mut parts = name.strip_prefix("tasks.")?.split('.');
                let task = parts.next()?;
                (parts.next() == Some("files")).then(|| task.parse().ok())?
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// All expressions of the tree.
    #[must_use]
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found
    }

    /// The entries of a mapping, each as its literal value where no expression is in it.
    pub(crate) fn literals(&self) -> Vec<(&str, Option<Value>)> {
        match &self.root {
            TemplateNode::Mapping(entries) => entries
                .iter()
                .map(|(key, value)| (key.as_str(), value.literal()))
                .collect(),
            TemplateNode::Literal(_) | TemplateNode::Expression(..) | TemplateNode::Sequence(_) => Vec::new(),
        }
    }
}

impl TemplateNode {
    fn parse(node: &Node, errors: &mut Diagnostics) -> Self {
        match &node.kind {
            NodeKind::String(text) => match Expression::parse(text, node.span) {
                Some(Ok(expression)) => Self::Expression(expression, text.as_str().into()),
                Some(Err(error)) => {
                    errors.push(error);
                    Self::Literal(Value::Null)
                }
                None => Self::Literal(Value::String(text.clone())),
            },
            NodeKind::Sequence(items) => Self::Sequence(items.iter().map(|item| Self::parse(item, errors)).collect()),
            NodeKind::Mapping(entries) => Self::Mapping(
                entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), Self::parse(value, errors)))
                    .collect(),
            ),
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) => Self::Literal(node.to_json()),
        }
    }

    fn render(&self, scope: &Scope) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(expression, _) => expression.evaluate(scope)?,
            Self::Sequence(items) => {
                Value::Array(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?)
            }
            Self::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.render(scope)?)));
                Value::Object(entries.collect::<Result<Map<_, _>, RenderError>>()?)
            }
        })
    }

    fn source(&self) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(_, text) => Value::String((**text).to_owned()),
            Self::Sequence(items) => Value::Array(items.iter().map(Self::source).collect()),
            Self::Mapping(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.source()))
                    .collect(),
            ),
        }
    }

    fn literal(&self) -> Option<Value> {
        Some(match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(..) => return None,
            Self::Sequence(items) => Value::Array(items.iter().map(Self::literal).collect::<Option<_>>()?),
            Self::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| Some((key.clone(), value.literal()?)));
                Value::Object(entries.collect::<Option<Map<_, _>>>()?)
            }
        })
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        match self {
            Self::Literal(_) => {}
            Self::Expression(expression, _) => found.push(expression),
            Self::Sequence(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Mapping(entries) => entries.iter().for_each(|(_, value)| value.collect(found)),
        }
    }
}
