//! What an attempt runs: an action of a plugin that was loaded before the start, or a program that is found now.

use std::sync::Arc;

use autokestra_model::{Digest, ReasonCode};
use autokestra_sandbox::{Ability, Failure, Plugin, ProgramCall, ProgramError, Work};
use autokestra_secrets::Masker;
use autokestra_store::Change;

use crate::attempt::{AttemptShared, Spec};

/// What a task names.
#[derive(Clone, Debug)]
pub(crate) enum Code {
    /// A plugin.
    Plugin(Arc<Plugin>),
    /// A program that its inputs name.
    Program,
}

impl Code {
    /// The digest of the component, where it is known before it runs.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Plugin(plugin) => Some(plugin.digest),
            Self::Program => None,
        }
    }
}

/// What is run, and what it could do.
pub(crate) struct Loaded {
    pub(crate) work: Work,
    /// It can open files.
    pub(crate) files: bool,
    /// What became known by loading it.
    pub(crate) rows: Vec<Change>,
}

/// Finds what an attempt runs. A program may have to be compiled, which takes its time.
pub(crate) async fn load(spec: &mut Spec, shared: &AttemptShared) -> Result<Loaded, Box<Failure>> {
    let plugin = match &spec.code {
        Code::Plugin(plugin) => plugin,
        Code::Program => return load_program(spec, shared).await,
    };
    Ok(Loaded {
        files: plugin.capabilities.can(Ability::SeeFiles),
        work: Work::Action {
            plugin: Arc::clone(plugin),
            action: spec.action.action().to_owned(),
            input: std::mem::take(&mut spec.input),
        },
        rows: Vec::new(),
    })
}

async fn load_program(spec: &Spec, shared: &AttemptShared) -> Result<Loaded, Box<Failure>> {
    let failed = |reason, text: &str| Box::new(failure(reason, text, &shared.masker));
    let call = ProgramCall::read(&spec.input).map_err(|wrong| failed(ReasonCode::InvalidInput, &wrong))?;
    let loading = shared.sandbox.program(&shared.base, &call.module);
    let Ok(program) = tokio::time::timeout(spec.timeout, loading).await else {
        let (module, timeout) = (&call.module, spec.timeout);
        let text = format!("loading `{module}` took longer than {timeout:?}; raise `timeoutSeconds`");
        return Err(failed(ReasonCode::Timeout, &text));
    };
    let program = program.map_err(|error| {
        let reason = match error {
            ProgramError::LeadsOut { .. } | ProgramError::LinksOut { .. } => ReasonCode::InvalidInput,
            ProgramError::Missing { .. }
            | ProgramError::NotInstalled { .. }
            | ProgramError::Twice { .. }
            | ProgramError::Unusable(_) => ReasonCode::PluginUnusable,
        };
        failed(reason, &error.to_string())
    })?;
    let may = shared.flows.check_program(&shared.base, &call.module, &program);
    may.map_err(|why| failed(ReasonCode::PluginUnusable, &why))?;
    let digest = Change::AttemptLoaded {
        run: spec.run.clone(),
        attempt: spec.attempt,
        digest: program.digest,
    };
    Ok(Loaded {
        files: program.capabilities.can(Ability::SeeFiles),
        work: Work::Program { program, call },
        rows: vec![digest],
    })
}

fn failure(reason: ReasonCode, text: &str, masker: &Masker) -> Failure {
    Failure {
        reason,
        code: reason.as_str().to_owned(),
        message: masker.mask(text),
        // What is compiled meanwhile is there the next time.
        retryable: reason == ReasonCode::Timeout,
        retry_after: None,
        details: None,
    }
}
