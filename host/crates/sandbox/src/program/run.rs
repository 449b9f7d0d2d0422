//! One run of a program, under the same grants, limits and capture as an action of a plugin.

use autokestra_model::ReasonCode;
use serde_json::{Value, json};
use wasmtime::Store;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use super::output::{self, OutputForm, Unreadable};
use super::{Program, ProgramCall, mounts};
use crate::attempt::{Attempt, Failure, Report};
use crate::failure;
use crate::guest::GuestState;
use crate::run::{Call, Called, Remains, Surroundings, refused};
use crate::sandbox::Sandbox;

/// The most of each of a program's last lines that its failure repeats, in characters.
const LINE_MAX: usize = 200;

impl Sandbox {
    /// Runs a program to its end.
    pub(crate) async fn run_program(&self, program: &Program, given: &ProgramCall, attempt: &Attempt) -> Report {
        let mounted = mounts::mounted(&given.mounts, &attempt.grants);
        let grants = match mounted {
            Ok(grants) => grants,
            Err(error) => return mounts::refuse(&error, attempt).await,
        };
        let code = match attempt.limits.fuel {
            None => &program.code,
            Some(_) => match self.fueled_program(program, &given.module).await {
                Ok(code) => code,
                Err(error) => return refused(ReasonCode::PluginUnusable, attempt.masker.mask(&error.to_string())),
            },
        };
        let surroundings = Surroundings {
            args: std::iter::once(given.name().to_owned())
                .chain(given.args.iter().cloned())
                .collect(),
            env: given.env.clone(),
            stdin: given.stdin.clone(),
            stdout_bytes_max: (given.output != OutputForm::Nothing).then_some(attempt.limits.output),
        };
        let run = ProgramRun { code, given };
        self.carry_out(attempt, (code.engine(), &grants), surroundings, &run)
            .await
    }
}

/// A run of a program.
struct ProgramRun<'a> {
    code: &'a CommandPre<GuestState>,
    given: &'a ProgramCall,
}

impl Call for ProgramRun<'_> {
    /// An error of its own is an exit code of 1.
    type Returned = Result<(), ()>;

    async fn call(&self, store: &mut Store<GuestState>) -> wasmtime::Result<Self::Returned> {
        let command = self.code.instantiate_async(&mut *store).await?;
        command.wasi_cli_run().call_run(store).await
    }

    fn judge(&self, called: Called<Self::Returned>, remains: &Remains<'_>) -> Result<Value, Box<Failure>> {
        let Some(printed) = remains.stdout.take_kept() else {
            return Err(Box::new(too_large(remains)));
        };
        let exit_code = match called {
            None => return Err(Box::new(remains.timeout())),
            Some(Ok(Ok(()))) => 0,
            Some(Ok(Err(()))) => 1,
            Some(Err(error)) => match error.downcast_ref::<I32Exit>() {
                Some(exit) => exit.0,
                None => return Err(Box::new(remains.failure(&error))),
            },
        };
        if exit_code != 0 && !self.given.allow_failure {
            let failure = remains.limit().unwrap_or_else(|| exited(exit_code, remains));
            return Err(Box::new(failure));
        }
        let read = if exit_code == 0 {
            output::read
        } else {
            output::read_of_failure
        };
        match read(self.given.output, &printed, remains.attempt.limits.output) {
            Ok(stdout) => Ok(json!({ "stdout": stdout, "exitCode": exit_code })),
            Err(Unreadable::TooLarge) => Err(Box::new(too_large(remains))),
            Err(Unreadable::Form(what)) => {
                let message = remains.attempt.masker.mask(&what);
                Err(Box::new(failure::found(ReasonCode::InvalidOutput, message, false)))
            }
        }
    }
}

fn exited(code: i32, remains: &Remains<'_>) -> Failure {
    let mut text = format!("it ended with the exit code {code}");
    for (index, line) in remains.stderr.last_lines().iter().enumerate() {
        text.push_str(if index == 0 { ": " } else { "\n" });
        text.extend(line.as_str().chars().take(LINE_MAX));
    }
    failure::found(ReasonCode::ExitNonzero, remains.attempt.masker.mask(&text), true)
}

fn too_large(remains: &Remains<'_>) -> Failure {
    let limit = remains.attempt.limits.output;
    let text = format!(
        "it printed more than the {limit} bytes that an output may have; raise `limits.output`, or take `output: none`"
    );
    failure::found(ReasonCode::LimitOutput, remains.attempt.masker.mask(&text), false)
}
