//! The host's side of one instance: its context, its limits, and the interfaces of our own contract.

use std::collections::BTreeSet;
use std::sync::Arc;

use autokestra_secrets::Masker;
use serde_json::Value;
use tokio::sync::mpsc;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types as filesystem};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::attempt::{GuestEvent, LogLevel, StateSource, Stream};
use crate::bindings::autokestra::plugin::{log, progress, state, types};
use crate::capture::{SharedBudget, locked};
use crate::contract;
use crate::files::{Files, FilesView, GuardedFiles};
use crate::http::Http;
use crate::limiter::Limiter;
use crate::network::{self, Sockets};

/// Most fields of one log entry; what is past them is left out.
const FIELDS_MAX: usize = 64;
/// Longest note of a progress report, in bytes, and what is read of a longer one.
const NOTE_BYTES_MAX: usize = 512;
const NOTE_READ_BYTES_MAX: usize = 64 << 10;
/// Longest key of a kept value, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// Longest kept value, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Most values that one attempt may set or remove.
const CHANGES_MAX: usize = 100;
/// Most keys that are told at once: they all go into the guest's memory, 2.5 MiB of them at most.
const KEYS_MAX: usize = 10_000;

/// What belongs to one instance.
pub(crate) struct GuestState {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) host: HostSide,
    pub(crate) http: Http,
    pub(crate) files: Files,
    pub(crate) sockets: Sockets,
}

/// What the interfaces of our contract need.
pub(crate) struct HostSide {
    pub(crate) masker: Masker,
    /// None while a plugin describes itself: then it is heard by nobody.
    pub(crate) events: Option<mpsc::Sender<GuestEvent>>,
    pub(crate) budget: SharedBudget,
    pub(crate) source: Option<Arc<dyn StateSource>>,
    pub(crate) changes: Vec<(String, Option<Value>)>,
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl GuestState {
    fn guarded_files(&mut self) -> FilesView<'_> {
        FilesView {
            files: &mut self.files,
            wasi: WasiFilesystemCtxView {
                ctx: self.wasi.filesystem(),
                table: &mut self.table,
            },
        }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.egress,
            table: &mut self.table,
            ctx: &mut self.http.context,
        }
    }
}

/// Offers a guest all that it may import.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    preopens::add_to_linker::<_, GuardedFiles>(linker, GuestState::guarded_files)?;
    filesystem::add_to_linker::<_, GuardedFiles>(linker, GuestState::guarded_files)?;
    network::link(linker)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    contract::link(linker)
}

impl HostSide {
    async fn tell(&self, event: GuestEvent) {
        if let Some(events) = &self.events {
            // Whoever listened may have stopped the attempt; then nobody needs it.
            drop(events.send(event).await);
        }
    }
}

impl types::Host for HostSide {}

impl log::Host for HostSide {
    async fn emit(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        // Empty fields take room as well, in the store and on the way there.
        let fields = fields.get(..FIELDS_MAX).unwrap_or(&fields);
        let bytes = message.len()
            + fields
                .iter()
                .map(|(key, value)| key.len() + value.len() + 1)
                .sum::<usize>();
        if !locked(&self.budget).take(bytes) {
            return Ok(());
        }
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        let message = self.masker.mask(&message);
        let fields = fields
            .iter()
            .map(|(key, value)| (self.masker.mask(key), self.masker.mask(value)))
            .collect();
        self.tell(GuestEvent::Log {
            stream: Stream::Log,
            level,
            message,
            fields,
        })
        .await;
        Ok(())
    }
}

impl progress::Host for HostSide {
    async fn report(&mut self, done: u64, total: Option<u64>, note: Option<String>) -> wasmtime::Result<()> {
        // Masked before it is cut: half a secret is not found.
        let short = |note: &str| {
            note.get(..note.floor_char_boundary(NOTE_READ_BYTES_MAX))
                .map(|note| self.masker.mask(note))
        };
        let note = note.as_deref().and_then(short).map(|note| note.cut(NOTE_BYTES_MAX));
        self.tell(GuestEvent::Progress { done, total, note }).await;
        Ok(())
    }
}

impl state::Host for HostSide {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, String>> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes")));
        }
        if let Some((_, value)) = self.changes.iter().rev().find(|(changed, _)| *changed == key) {
            return Ok(Ok(value.as_ref().map(Value::to_string)));
        }
        match self.source.clone() {
            Some(source) => Ok(source.get(&key).await),
            None => Ok(Ok(None)),
        }
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), String>> {
        if value.len() > VALUE_BYTES_MAX {
            return Ok(Err(format!(
                "the value has {} bytes; {VALUE_BYTES_MAX} is the most",
                value.len()
            )));
        }
        match serde_json::from_str(&value) {
            Ok(value) => Ok(self.change(key, Some(value))),
            Err(error) => Ok(Err(format!("the value is no JSON: {error}"))),
        }
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.change(key, None))
    }

    async fn keys(&mut self, prefix: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        if prefix.len() > KEY_BYTES_MAX {
            return Ok(Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes")));
        }
        // So many more may turn out to be removed.
        let kept = match self.source.clone() {
            Some(source) => source.keys(&prefix, KEYS_MAX + CHANGES_MAX + 1).await,
            None => Ok(Vec::new()),
        };
        Ok(kept.and_then(|kept| self.changed_keys(&prefix, kept)))
    }
}

impl HostSide {
    /// The keys that were kept before, as this attempt changed them.
    fn changed_keys(&self, prefix: &str, kept: Vec<String>) -> Result<Vec<String>, String> {
        let mut keys: BTreeSet<String> = kept.into_iter().collect();
        for (key, value) in self.changes.iter().filter(|(key, _)| key.starts_with(prefix)) {
            if value.is_some() {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        if keys.len() > KEYS_MAX {
            return Err(format!(
                "more than {KEYS_MAX} keys begin with `{prefix}`; ask by a longer prefix"
            ));
        }
        Ok(keys.into_iter().collect())
    }

    fn change(&mut self, key: String, value: Option<Value>) -> Result<(), String> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes"));
        }
        // Keys are kept as they are, and told again: a secret has no place in one.
        if self.masker.mask(&key).as_str() != key {
            return Err("the key holds a secret".to_owned());
        }
        if let Some(known) = self.changes.iter_mut().find(|(changed, _)| *changed == key) {
            known.1 = value;
            return Ok(());
        }
        if self.changes.len() >= CHANGES_MAX {
            return Err(format!("{CHANGES_MAX} keys are the most that one attempt may change"));
        }
        self.changes.push((key, value));
        Ok(())
    }
}
