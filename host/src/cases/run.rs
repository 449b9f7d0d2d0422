//! One case, from its empty folder to what is left of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_engine::GUEST_OUT;
use autokestra_model::cases::{Case, CaseFile, Content};
use autokestra_model::{Ceiling, ExecutionId, Folders, NetworkPattern, Policy, ReasonCode, SecretName, Timestamp};
use autokestra_sandbox::{
    Ability, Attempt, Context, Failure, GrantError, Grants, GuestEvent, Pinned, PlaceError, Plugin, Sandbox, Work,
    located,
};
use autokestra_secrets::{BoundSecret, Masker, SecretValue, Secrets};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Report;
use super::judge::{About, Outcome, Problem, judge};
use super::said::{Known, collect};
use super::server::Server;

/// Events that wait to be read; past it the guest waits.
const EVENTS_QUEUED_MAX: usize = 256;
/// Most fuel, where it is counted and the case has no limit.
const FUEL_MAX: u64 = u64::MAX >> 1;
/// Most bytes of a file that a case takes from beside itself.
const FIXTURE_BYTES_MAX: u64 = 64 << 20;

/// What stands where the operator's ceiling would be named.
const A_CASE: &str = "a case, which has a folder of its own,";

/// Runs the cases of one plugin.
#[derive(Clone, Debug)]
pub(crate) struct Tester {
    pub(crate) sandbox: Sandbox,
    pub(crate) plugin: Arc<Plugin>,
}

/// What surrounds an attempt.
struct Surroundings {
    folder: tempfile::TempDir,
    masker: Masker,
    bound: Arc<[BoundSecret]>,
    input: Value,
    grants: Grants,
}

/// Why a case did not begin.
enum Stopped {
    /// As `run` would end such a task.
    Failed(Box<Failure>),
    /// The case itself cannot be set up.
    Wrong(String),
}

impl Tester {
    /// Runs the case at `index` of a file whose other files are in `fixtures`.
    pub(crate) async fn run(
        &self,
        file: &CaseFile,
        (number, index): (usize, usize),
        fixtures: &Path,
    ) -> Option<Report> {
        let case = file.cases().get(index)?;
        let mut report = Report::new(case, (number, index));
        let start = Instant::now();
        let server = match &case.http {
            None => None,
            Some(_) => match Server::start().await {
                Ok(server) => Some(server),
                Err(error) => {
                    report
                        .problems
                        .push(wrong(&Masker::none(), &format!("listen on loopback: {error}")));
                    return Some(report);
                }
            },
        };
        let case = match &server {
            Some(server) => file.case_at(index, server.address())?,
            None => case.clone(),
        };
        Box::pin(self.carry_out(&case, server.as_ref(), fixtures, &mut report)).await;
        report.duration = start.elapsed();
        Some(report)
    }

    async fn carry_out(&self, case: &Case, server: Option<&Server>, fixtures: &Path, report: &mut Report) {
        let secrets: Secrets = case
            .secrets
            .iter()
            .map(|secret| (secret.name.clone(), SecretValue::new(secret.value.clone())))
            .collect();
        let masker_of_values = Masker::new(&secrets);
        let surroundings = match self.surroundings(case, server, fixtures, &secrets) {
            Ok(surroundings) => surroundings,
            Err(Stopped::Wrong(why)) => return report.problems.push(wrong(&masker_of_values, &why)),
            Err(Stopped::Failed(failure)) => {
                // A case may expect just that, as a workflow may meet it.
                let folder = Path::new("/");
                let outcome = self.outcome(case, Err(failure), (&Value::Null, folder, fixtures));
                (report.problems, _) = judge(case, &outcome, &masker_of_values);
                return;
            }
        };
        let Surroundings {
            folder,
            masker,
            bound,
            input,
            grants,
        } = surroundings;
        let (events, said) = mpsc::channel(EVENTS_QUEUED_MAX);
        let attempt = self.attempt(case, (input.clone(), grants), (masker.clone(), bound), events);
        let (ended, said) = tokio::join!(self.sandbox.run(attempt), collect(said));
        let (asked, requests) = server.map(|server| server.judge(&masker)).unwrap_or_default();
        report.lines = said.lines;
        report.denials = said.denials;
        report.usage = ended.usage;
        report.asked = asked;
        let mut state = case.state.clone();
        for (key, value) in ended.state {
            match value {
                Some(value) => drop(state.insert(key, value)),
                None => drop(state.remove(&key)),
            }
        }
        let outcome = Outcome {
            lines: &report.lines,
            denials: &report.denials,
            progress: &said.progress,
            state,
            requests,
            usage: ended.usage,
            ..self.outcome(case, ended.result, (&input, folder.path(), fixtures))
        };
        let (problems, mut instead) = judge(case, &outcome, &masker);
        report.problems = problems;
        if let Some(server) = server {
            for value in [&mut instead.output, &mut instead.output_has, &mut instead.logs] {
                value.iter_mut().for_each(|value| named(value, server.address()));
            }
        }
        report.instead = instead;
    }

    /// An outcome of nothing but a result.
    fn outcome<'a>(
        &'a self,
        case: &Case,
        result: Result<Value, Box<Failure>>,
        (input, folder, fixtures): (&'a Value, &'a Path, &'a Path),
    ) -> Outcome<'a> {
        let action = self.plugin.action(&case.action);
        Outcome {
            result,
            input,
            schemas: action.map_or((&Value::Null, &Value::Null), |action| {
                (&action.input_schema, &action.output_schema)
            }),
            lines: &[],
            denials: &[],
            progress: &[],
            state: case.state.clone(),
            requests: Vec::new(),
            usage: autokestra_sandbox::Usage::default(),
            folders: (folder, fixtures),
        }
    }

    fn attempt(
        &self,
        case: &Case,
        (input, grants): (Value, Grants),
        (masker, bound): (Masker, Arc<[BoundSecret]>),
        events: mpsc::Sender<GuestEvent>,
    ) -> Attempt {
        let mut limits = case.limits;
        if case.expected.fuel_max.is_some() {
            limits.fuel = limits.fuel.or(Some(FUEL_MAX));
        }
        let at = case.pinned.map_or(Timestamp::from_millis(0), |(now, _)| now);
        Attempt {
            work: Work::Action {
                plugin: Arc::clone(&self.plugin),
                action: case.action.clone(),
                input,
            },
            context: Context {
                execution: ExecutionId::new(at, 0),
                workflow: "case".parse().expect("a good name"),
                task: "case".parse().expect("a good name"),
                attempt: case.attempt,
                index: None,
                timeout: case.timeout,
                idempotency_key: "case".to_owned(),
            },
            grants,
            limits,
            masker,
            bound,
            pinned: case.pinned.map(|(now, seed)| Pinned { now, seed }),
            trace: None,
            events,
            state: Arc::new(Known(case.state.clone())),
        }
    }

    fn surroundings(
        &self,
        case: &Case,
        server: Option<&Server>,
        fixtures: &Path,
        secrets: &Secrets,
    ) -> Result<Surroundings, Stopped> {
        let folder = tempfile::Builder::new().prefix("workflow-case-").tempdir();
        let folder = folder.map_err(|error| Stopped::Wrong(format!("make a folder: {error}")))?;
        let base = folder.path().canonicalize();
        let base = base.map_err(|error| Stopped::Wrong(format!("open a folder: {error}")))?;
        for (path, content) in &case.files {
            put(&base, path, content, fixtures).map_err(Stopped::Wrong)?;
        }
        let bound = bound(case, secrets).map_err(|error| Stopped::Wrong(format!("make a placeholder: {error}")))?;
        let masker = Masker::with_bound(secrets, &bound);
        if let Some(server) = server {
            server.answers(case.http.clone().unwrap_or_default(), &masker);
        }
        let input = case
            .input(shown(case, &bound))
            .map_err(|error| Stopped::Wrong(error.to_string()))?;
        let grants = self.grants(case, server, &base).map_err(Stopped::Failed)?;
        Ok(Surroundings {
            folder,
            masker,
            bound,
            input,
            grants,
        })
    }

    /// What the case grants, below what the operator allows; its own folder, server and variables are the case's own.
    fn grants(&self, case: &Case, server: Option<&Server>, base: &Path) -> Result<Grants, Box<Failure>> {
        let failure = |reason: ReasonCode, text: &str| {
            Box::new(Failure {
                reason,
                code: reason.as_str().to_owned(),
                message: Masker::none().mask(text),
                retryable: false,
                retry_after: None,
                details: None,
            })
        };
        let past = |past: &autokestra_model::PastCeiling| {
            // What lies elsewhere no operator opens to a case.
            let text = if past.help.starts_with("policy.filesystem") {
                format!("{past}")
            } else {
                format!("{past}; the operator allows it in the configuration by `{}`", past.help)
            };
            failure(ReasonCode::PolicyDenied, &text)
        };
        let policy = policy(self.sandbox.policy(), case, server);
        policy
            .check_plugin(&self.plugin.name, &self.plugin.digest)
            .map_err(|error| past(&error))?;
        let variable = |name: &str| {
            let found = case.env.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let mut grants = Grants::resolve(&case.permissions, base, &variable, &policy).map_err(|error| match error {
            GrantError::PastPolicy(error) => past(&error),
            error => failure(ReasonCode::GrantUnusable, &error.to_string()),
        })?;
        if self.plugin.capabilities.can(Ability::SeeFiles) {
            // As in a workflow, where the files that a task leaves there are kept.
            let folder = base.join(GUEST_OUT.trim_start_matches('/'));
            if std::fs::create_dir_all(&folder).is_ok() {
                grants.add_folder(folder, GUEST_OUT, true);
            }
        }
        Ok(grants)
    }
}

fn policy(of_operator: &Policy, case: &Case, server: Option<&Server>) -> Policy {
    let own = || Folders {
        listed: Ceiling::new(Vec::new(), A_CASE),
        of_workflow: true,
    };
    let mut policy = Policy {
        read: own(),
        write: own(),
        env: Ceiling::new(case.permissions.env.clone(), A_CASE),
        ..of_operator.clone()
    };
    let address = server.and_then(|server| NetworkPattern::parse(server.address(), false).ok());
    if let Some(address) = address {
        match &mut policy.network {
            Some(ceiling) => ceiling.allowed.push(address),
            // By default every public host may be granted; those are named one by one here.
            None => {
                let public = case.permissions.network.iter().filter(|entry| !entry.reaches_private());
                let allowed = public.cloned().chain([address]).collect();
                policy.network = Some(Ceiling::new(allowed, "the default policy"));
            }
        }
    }
    policy
}

fn bound(case: &Case, secrets: &Secrets) -> std::io::Result<Arc<[BoundSecret]>> {
    let mut bound = Vec::new();
    for secret in &case.secrets {
        if let (Some(only_to), Some(value)) = (&secret.only_to, secrets.get(&secret.name)) {
            let made = BoundSecret::new(secret.name.clone(), value.clone(), only_to.as_slice().into());
            bound.push(made?);
        }
    }
    Ok(bound.into())
}

/// What expressions are given: the values, or the placeholders of those with `onlyTo`.
fn shown(case: &Case, bound: &[BoundSecret]) -> Vec<(SecretName, String)> {
    let shown = case.secrets.iter().map(|secret| {
        let placeholder = bound.iter().find(|bound| *bound.name() == secret.name);
        let value = placeholder.map_or(secret.value.as_str(), |bound| bound.placeholder());
        (secret.name.clone(), value.to_owned())
    });
    shown.collect()
}

/// Puts a file into the folder of a case.
fn put(base: &Path, path: &str, content: &Content, fixtures: &Path) -> Result<(), String> {
    let to = base.join(path);
    let told = |error: std::io::Error| format!("write the file `{path}` of the case: {error}");
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(told)?;
    }
    std::fs::write(&to, bytes_of(content, fixtures)?).map_err(told)
}

/// What a file holds.
pub(super) fn bytes_of(content: &Content, fixtures: &Path) -> Result<Vec<u8>, String> {
    match content {
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Bytes(bytes) => Ok(bytes.clone()),
        Content::Json(value) => Ok(value.to_string().into_bytes()),
        Content::File(name, _) => {
            let path = found(fixtures, name)?;
            let told = |error: std::io::Error| format!("read `{name}`: {error}");
            let metadata = std::fs::metadata(&path).map_err(told)?;
            if !metadata.is_file() || metadata.len() > FIXTURE_BYTES_MAX {
                return Err(format!("`{name}` is no file of at most 64 MiB"));
            }
            std::fs::read(&path).map_err(told)
        }
    }
}

/// A file beside the cases.
fn found(fixtures: &Path, name: &str) -> Result<PathBuf, String> {
    located(fixtures, name).map_err(|error| match error {
        PlaceError::LeadsOut => format!("`{name}` leads out of the folder of the case file"),
        PlaceError::LinksOut => format!("`{name}` is a link that leads out of the folder of the case file"),
        PlaceError::Missing => format!("there is no file `{name}` in the folder of the case file"),
    })
}

fn wrong(masker: &Masker, why: &str) -> Problem {
    Problem {
        about: About::Setup,
        message: masker.mask(why),
        diff: Vec::new(),
    }
}

/// Puts the server's name where its address stands.
fn named(value: &mut Value, address: &str) {
    match value {
        Value::String(text) if text.contains(address) => *text = text.replace(address, "{{ server }}"),
        Value::Array(items) => items.iter_mut().for_each(|item| named(item, address)),
        Value::Object(entries) => entries.values_mut().for_each(|value| named(value, address)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
