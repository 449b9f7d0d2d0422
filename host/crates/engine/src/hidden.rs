//! What is masked in an execution, and what its tasks are given in its place.

use std::io;
use std::sync::Arc;

use autokestra_model::{SecretName, Workflow};
use autokestra_secrets::{BoundSecret, Masker, SecretValue, Secrets};

/// The secrets of an execution and of those above it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hidden {
    values: Secrets,
    /// Those with `onlyTo`, its own first.
    pub(crate) bound: Arc<[BoundSecret]>,
}

impl Hidden {
    /// What is hidden in an execution of `workflow`, whose secrets have the values `own`.
    pub(crate) fn new(workflow: &Workflow, own: &Secrets, above: Option<&Self>) -> io::Result<Self> {
        let mut bound = Vec::new();
        for spec in &workflow.secrets {
            if let (Some(only_to), Some(value)) = (&spec.only_to, own.get(&spec.name)) {
                bound.push(BoundSecret::new(
                    spec.name.clone(),
                    value.clone(),
                    only_to.as_slice().into(),
                )?);
            }
        }
        // What a parent hands down as an input may hold its placeholders.
        bound.extend(above.into_iter().flat_map(|above| above.bound.iter().cloned()));
        Ok(Self {
            values: above.map_or_else(|| own.clone(), |above| own.and(&above.values)),
            bound: bound.into(),
        })
    }

    pub(crate) fn masker(&self) -> Masker {
        Masker::with_bound(&self.values, &self.bound)
    }

    /// What expressions are given of `own` secrets: the values, or the placeholders of those with `onlyTo`.
    pub(crate) fn shown(&self, workflow: &Workflow, own: &Secrets) -> Secrets {
        let shown = |(name, value): (&SecretName, &SecretValue)| {
            let spec = workflow.secrets.iter().find(|spec| spec.name == *name);
            let is_bound = spec.is_some_and(|spec| spec.only_to.is_some());
            let placeholder = self.bound.iter().find(|bound| is_bound && bound.name() == name);
            let shown = placeholder.map(|bound| SecretValue::new(bound.placeholder().to_owned()));
            (name.clone(), shown.unwrap_or_else(|| value.clone()))
        };
        own.iter().map(shown).collect()
    }
}
