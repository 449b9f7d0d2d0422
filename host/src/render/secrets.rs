//! Secrets, and where each comes from. Their values do not get here.

use std::path::PathBuf;

use autokestra_model::{SecretName, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::Time;
use super::{Table, Tint, Ui, safe};

/// A secret, and the places that have a value of it.
#[derive(Debug)]
pub(crate) struct KnownSecret {
    pub(crate) name: SecretName,
    /// In the order in which they win; never empty.
    pub(crate) places: Vec<SecretPlace>,
}

/// A place that has a value of a secret.
#[derive(Debug)]
pub(crate) enum SecretPlace {
    /// The file of `--secrets`.
    Given(PathBuf),
    /// Its variable.
    Environment,
    /// The file that `secrets.file` names.
    Configured(PathBuf),
    /// The secret store.
    Store {
        created_at: Timestamp,
        updated_at: Timestamp,
    },
}

impl SecretPlace {
    /// For machines.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Given(_) => "flag-file",
            Self::Environment => "environment",
            Self::Configured(_) => "file",
            Self::Store { .. } => "store",
        }
    }

    /// For people.
    fn shown(&self) -> String {
        match self {
            Self::Given(path) => format!("--secrets {}", safe(&path.display().to_string())),
            Self::Environment => "environment".to_owned(),
            Self::Configured(path) => safe(&path.display().to_string()).into_owned(),
            Self::Store { .. } => "store".to_owned(),
        }
    }

    fn set_at(&self) -> Option<Timestamp> {
        match self {
            Self::Store { updated_at, .. } => Some(*updated_at),
            Self::Given(_) | Self::Environment | Self::Configured(_) => None,
        }
    }
}

/// The table of secrets: where the value comes from, and where else there is one.
pub(crate) fn secrets(ui: &Ui, known: &[KnownSecret]) -> String {
    if known.is_empty() {
        return "no secret is known; `workflow secret set NAME` sets one\n".to_owned();
    }
    let mut table = Table::new(ui, &["NAME", "FROM", "SET IN THE STORE", "ALSO IN"]);
    for secret in known {
        let shown: Vec<String> = secret.places.iter().map(SecretPlace::shown).collect();
        let (from, others) = shown
            .split_first()
            .map_or(("", &[][..]), |(from, others)| (from, others));
        let nothing = || ui.tint(Tint::Faint, "-");
        let set_at = secret.places.iter().find_map(SecretPlace::set_at);
        table.row(vec![
            secret.name.to_string(),
            from.to_owned(),
            set_at.map_or_else(nothing, |at| at.to_string()),
            if others.is_empty() {
                nothing()
            } else {
                others.join(", ")
            },
        ]);
    }
    table.to_string()
}

/// `secret list`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretsView<'a> {
    /// Every secret that some place has a value of, by name.
    secrets: Vec<SecretView<'a>>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretView<'a> {
    /// Its name.
    #[schemars(with = "String")]
    name: &'a SecretName,
    /// The place that wins: `flag-file`, `environment`, `file` or `store`.
    source: &'static str,
    /// Every place that has a value, the one that wins first.
    sources: Vec<PlaceView>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceView {
    /// `flag-file`, `environment`, `file` or `store`.
    source: &'static str,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
    /// When it was first set, in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    created_at: Option<Timestamp>,
    /// When it was last set, in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    updated_at: Option<Timestamp>,
}

impl<'a> SecretsView<'a> {
    pub(crate) fn new(known: &'a [KnownSecret]) -> Self {
        let secret = |secret: &'a KnownSecret| SecretView {
            name: &secret.name,
            source: secret.places.first().map_or("", SecretPlace::as_str),
            sources: secret
                .places
                .iter()
                .map(|place| PlaceView::new(&secret.name, place))
                .collect(),
        };
        Self {
            secrets: known.iter().map(secret).collect(),
        }
    }
}

impl PlaceView {
    fn new(name: &SecretName, place: &SecretPlace) -> Self {
        let mut view = Self {
            source: place.as_str(),
            path: None,
            variable: None,
            created_at: None,
            updated_at: None,
        };
        match place {
            SecretPlace::Given(path) | SecretPlace::Configured(path) => view.path = Some(path.display().to_string()),
            SecretPlace::Environment => {
                view.variable = Some(format!("{}{name}", autokestra_secrets::source::VARIABLE_PREFIX));
            }
            SecretPlace::Store { created_at, updated_at } => {
                (view.created_at, view.updated_at) = (Some(*created_at), Some(*updated_at));
            }
        }
        view
    }
}
