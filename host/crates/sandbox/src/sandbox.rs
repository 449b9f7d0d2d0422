//! The engine, the linker, and the plugins that were found.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use autokestra_model::{Digest, PluginName, Policy};
use tokio::sync::{Mutex, OnceCell};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::GuestPre;
use crate::cache::{Cache, CacheOptions, Target};
use crate::capabilities::Capabilities;
use crate::compile::read_component;
use crate::error::{LoadError, SandboxError};
use crate::guest::{self, GuestState};
use crate::http::{HttpSetup, Tls};
use crate::network::{Resolver, SystemResolver};
use crate::outside::Outside;
use crate::plugin::{self, Plugin};
use crate::program::{self, Kind, Programs};
use crate::reach::{self, Reach, Walked};
use crate::{capabilities, codegen};

/// How often a running guest is made to yield. A stopped one ends within this.
const EPOCH_TICK: Duration = Duration::from_millis(10);

/// A plugin that is part of the program, with its code compiled ahead.
#[derive(Clone, Debug)]
pub struct EmbeddedPlugin {
    /// Its name.
    pub name: PluginName,
    /// The component.
    pub component: &'static [u8],
    /// Its code, as an engine of `codegen` made it. Only the program's own build makes one.
    pub precompiled: &'static [u8],
    /// The functions of the host that it can reach, as the build found by following its calls, or why it found none.
    pub reachable: Result<&'static [&'static str], &'static str>,
}

/// A component or a program of the local store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// `namespace/plugin`, or the name of a program, which has no slash.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What the file must be. Another one is not run.
    pub digest: Digest,
}

/// Is told of a component that is about to be compiled and takes seconds: where it came from, and its size in bytes.
#[derive(Clone)]
pub struct Compiling(pub Arc<Told>);

/// What is told: where a component came from, and its size in bytes.
type Told = dyn Fn(&str, usize) + Send + Sync;

impl fmt::Debug for Compiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiling")
    }
}

/// What a sandbox is made from.
#[derive(Clone, Debug, Default)]
pub struct SandboxOptions {
    /// Plugins of the program itself.
    pub embedded: Vec<EmbeddedPlugin>,
    /// What the local store holds.
    pub installed: Vec<Installed>,
    /// Folders whose `*.wasm` are plugins.
    pub directories: Vec<PathBuf>,
    /// Where compiled code is kept. The default keeps nothing.
    pub cache: CacheOptions,
    /// Files that no grant opens: keys and secrets of the engine's own.
    pub hidden: Vec<PathBuf>,
    /// Attempts that run at a time.
    pub max_attempts: usize,
    /// The operator's ceiling on what workflows grant.
    pub policy: Policy,
    /// The proxy through which plugins speak HTTP: `http://host:port`. Those of the environment are never used.
    pub proxy: Option<http::Uri>,
    /// Finds the addresses of names; none: the system's resolver.
    pub resolver: Option<Arc<dyn Resolver>>,
    /// Is told of what takes long before anything runs.
    pub compiling: Option<Compiling>,
}

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program itself.
    Embedded,
    /// The local store.
    Installed,
    /// A file.
    File(PathBuf),
}

/// Runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: SandboxOptions,
    pub(crate) runtime: Runtime,
    fueled: OnceLock<Result<Runtime, SandboxError>>,
    pub(crate) outside: Outside,
    pub(crate) cache: Cache,
    /// One cell a name: two that want the same plugin load it once.
    loaded: Mutex<HashMap<PluginName, Arc<OnceCell<Arc<Plugin>>>>>,
    files: OnceCell<HashMap<PluginName, (PathBuf, Arc<Plugin>)>>,
    pub(crate) programs: Programs,
}

/// An engine with what guests may import.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) target: Target,
    pub(crate) linker: Linker<GuestState>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    fn new(fuel: bool, max_attempts: usize) -> Result<Self, SandboxError> {
        let wrong = |error: wasmtime::Error| SandboxError {
            reason: error.root_cause().to_string(),
        };
        let engine = pooled(fuel, max_attempts).or_else(|error| {
            tracing::debug!(%error, "no pooling allocator; instances are allocated as they come");
            let mut config = Config::new();
            codegen::configure(&mut config, fuel);
            Engine::new(&config)
        });
        let engine = engine.map_err(wrong)?;
        let mut linker = Linker::new(&engine);
        guest::link(&mut linker).map_err(wrong)?;
        let target = Target::of(&engine, fuel);
        Ok(Self { engine, target, linker })
    }

    pub(crate) fn prepare(&self, component: &Component, origin: &str) -> Result<GuestPre<GuestState>, LoadError> {
        let prepared = self.linker.instantiate_pre(component).and_then(GuestPre::new);
        prepared.map_err(|error| LoadError::WrongWorld {
            origin: origin.to_owned(),
            reason: format!("{error:#}"),
        })
    }
}

/// Bytes of a memory or a table that stay resident for the next instance in its place.
const KEPT_RESIDENT: usize = 1 << 20;

/// Most core instances, memories and tables of one component. Those of ours have one memory and a few shims; one that Python or
/// JavaScript were put into has some dozens of instances.
const CORE_INSTANCES_MAX: u32 = 100;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 20;

/// An engine whose instances take their memory from a pool: instantiating one costs microseconds.
fn pooled(fuel: bool, max_attempts: usize) -> wasmtime::Result<Engine> {
    let attempts = u32::try_from(max_attempts.clamp(1, 1000)).unwrap_or(1000);
    let mut pool = PoolingAllocationConfig::new();
    // Room for every attempt at the most that one component may have: none can take the room of another. It is reserved, not
    // used, so it costs nothing.
    pool.total_component_instances(attempts + 1);
    pool.max_core_instances_per_component(CORE_INSTANCES_MAX);
    pool.total_core_instances((attempts + 1) * CORE_INSTANCES_MAX);
    pool.max_memories_per_component(MEMORIES_MAX);
    pool.total_memories((attempts + 1) * MEMORIES_MAX);
    pool.max_tables_per_component(TABLES_MAX);
    pool.total_tables((attempts + 1) * TABLES_MAX);
    pool.total_stacks(attempts + 1);
    // What a small plugin touched is set to zero by writing, not given back to the kernel: fewer calls, fewer page faults.
    pool.linear_memory_keep_resident(KEPT_RESIDENT);
    pool.table_keep_resident(KEPT_RESIDENT);
    pool.pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    codegen::configure(&mut config, fuel);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

impl Sandbox {
    /// Sets up the engine. Nothing is loaded yet.
    ///
    /// # Errors
    /// [`SandboxError`] where wasmtime does not run on this machine.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let runtime = Runtime::new(false, options.max_attempts)?;
        let outside = Outside {
            http: HttpSetup {
                tls: Tls::default(),
                proxy: options.proxy.clone(),
            },
            resolver: options.resolver.clone().unwrap_or_else(|| Arc::new(SystemResolver)),
        };
        let cache = Cache::new(options.cache.clone());
        let inner = Arc::new(Inner {
            options,
            runtime,
            fueled: OnceLock::new(),
            outside,
            cache,
            loaded: Mutex::default(),
            files: OnceCell::new(),
            programs: Programs::default(),
        });
        start_ticking(Arc::downgrade(&inner))?;
        Ok(Self { inner })
    }

    /// The operator's ceiling on what workflows grant.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.options.policy
    }

    /// Whether a plugin of this name is part of the program.
    #[must_use]
    pub fn is_embedded(&self, name: &PluginName) -> bool {
        self.inner.options.embedded.iter().any(|plugin| plugin.name == *name)
    }

    /// The plugin of a name: embedded, installed, or a file of the directories.
    ///
    /// # Errors
    /// [`LoadError`] where there is none, or it cannot be used.
    pub async fn plugin(&self, name: &PluginName) -> Result<Arc<Plugin>, LoadError> {
        let Some(embedded) = self.inner.options.embedded.iter().find(|plugin| plugin.name == *name) else {
            if let Some(installed) = self.installed(name.as_str()) {
                return self.of_store(name, installed).await;
            }
            let files = self.inner.files.get_or_try_init(|| self.load_directories()).await?;
            let found = files.get(name).map(|(_, plugin)| Arc::clone(plugin));
            return found.ok_or_else(|| LoadError::Unknown { name: name.clone() });
        };
        let cell = Arc::clone(self.inner.loaded.lock().await.entry(name.clone()).or_default());
        let load = || async {
            let engine = &self.inner.runtime.engine;
            let component = match trusted(engine, embedded.precompiled) {
                Ok(component) => component,
                Err(error) => {
                    tracing::debug!(plugin = %name, %error, "the embedded code does not fit; compiling");
                    self.compile(&embedded.component.into(), name.as_str()).await?
                }
            };
            let walked = match embedded.reachable {
                Ok(functions) => Ok(functions.iter().map(|name| (*name).to_owned()).collect()),
                Err(reason) => Err(reason.to_owned()),
            };
            // Asking one whose code is at hand takes no longer than reading what it said.
            self.load(&component, embedded.component.into(), walked, (name.as_str(), None))
                .await
        };
        cell.get_or_try_init(load).await.cloned()
    }

    /// What the local store holds under a name.
    pub(crate) fn installed(&self, name: &str) -> Option<&Installed> {
        self.inner
            .options
            .installed
            .iter()
            .find(|installed| installed.name == name)
    }

    /// A plugin of the local store, where it is what was installed, and no folder has another of its name.
    async fn of_store(&self, name: &PluginName, installed: &Installed) -> Result<Arc<Plugin>, LoadError> {
        let files = self.inner.files.get_or_try_init(|| self.load_directories()).await?;
        if let Some((second, _)) = files.get(name) {
            return Err(LoadError::Duplicate {
                name: name.clone(),
                first: installed.path.clone(),
                second: second.clone(),
            });
        }
        let cell = Arc::clone(self.inner.loaded.lock().await.entry(name.clone()).or_default());
        let load = || async {
            let plugin = self.load_file(&installed.path).await?;
            if plugin.digest != installed.digest || plugin.name != *name {
                return Err(LoadError::Changed {
                    name: installed.name.clone(),
                    path: installed.path.clone(),
                });
            }
            Ok(plugin)
        };
        cell.get_or_try_init(load).await.cloned()
    }

    /// The plugin of a file.
    ///
    /// # Errors
    /// [`LoadError`] where it cannot be used.
    pub async fn load_file(&self, path: &Path) -> Result<Arc<Plugin>, LoadError> {
        self.load_bytes(read_component(path)?, &path.display().to_string())
            .await
    }

    /// The plugin of a component that is in no file yet. `origin` says in messages where it came from.
    ///
    /// # Errors
    /// [`LoadError`] where it cannot be used.
    pub async fn load_bytes(&self, bytes: Vec<u8>, origin: &str) -> Result<Arc<Plugin>, LoadError> {
        let bytes: Arc<[u8]> = bytes.into();
        if let Ok(Kind::Program(_)) = program::kind_of(&bytes) {
            let origin = origin.to_owned();
            return Err(LoadError::Program { origin });
        }
        let component = self.compile(&bytes, origin).await?;
        let walked = reach::walk(&bytes);
        self.load(&component, bytes, walked, (origin, Some(&self.inner.cache)))
            .await
    }

    /// The names of all plugins. Files are loaded to learn theirs.
    ///
    /// # Errors
    /// [`LoadError`] of the first file that cannot be used.
    pub async fn plugin_names(&self) -> Result<Vec<(PluginName, Origin)>, LoadError> {
        let embedded = self
            .inner
            .options
            .embedded
            .iter()
            .map(|plugin| (plugin.name.clone(), Origin::Embedded));
        // A name without a slash is that of a program.
        let installed = self.inner.options.installed.iter();
        let installed = installed.filter_map(|installed| Some((installed.name.parse().ok()?, Origin::Installed)));
        let files = self.inner.files.get_or_try_init(|| self.load_directories()).await?;
        let files = files
            .iter()
            .map(|(name, (path, _))| (name.clone(), Origin::File(path.clone())));
        let mut names: Vec<_> = embedded.chain(installed).chain(files).collect();
        names.sort_by(|(first, _), (second, _)| first.cmp(second));
        Ok(names)
    }

    async fn load_directories(&self) -> Result<HashMap<PluginName, (PathBuf, Arc<Plugin>)>, LoadError> {
        let mut found: HashMap<PluginName, (PathBuf, Arc<Plugin>)> = HashMap::new();
        for folder in &self.inner.options.directories {
            let unreadable = |error: std::io::Error| LoadError::Unreadable {
                path: folder.clone(),
                reason: error.to_string(),
            };
            let entries = std::fs::read_dir(folder).map_err(unreadable)?;
            let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
            paths.sort();
            for path in paths {
                let plugin = match self.load_file(&path).await {
                    // Programs are named by their files.
                    Err(LoadError::Program { .. }) => continue,
                    loaded => loaded?,
                };
                let name = plugin.name.clone();
                if let Some((first, _)) = found.get(&name) {
                    return Err(LoadError::Duplicate {
                        name,
                        first: first.clone(),
                        second: path,
                    });
                }
                if self.inner.options.embedded.iter().any(|embedded| embedded.name == name) {
                    let first = PathBuf::from("the program itself");
                    return Err(LoadError::Duplicate {
                        name,
                        first,
                        second: path,
                    });
                }
                found.insert(name, (path, plugin));
            }
        }
        Ok(found)
    }

    async fn compile(&self, bytes: &Arc<[u8]>, origin: &str) -> Result<Component, LoadError> {
        self.compile_for(&self.inner.runtime, bytes, origin).await
    }

    /// The plugin of a component. What it says of itself is taken from `cache`, or kept there.
    async fn load(
        &self,
        component: &Component,
        bytes: Arc<[u8]>,
        walked: Walked,
        (origin, cache): (&str, Option<&Cache>),
    ) -> Result<Arc<Plugin>, LoadError> {
        let engine = &self.inner.runtime.engine;
        plugin::check_world(engine, component, origin)?;
        let imports = capabilities::imports(engine, component);
        let reach = Reach::new(walked, &imports);
        let capabilities = Capabilities::of(&reach.functions);
        let code = self.inner.runtime.prepare(component, origin)?;
        let digest = Digest::of(&bytes);
        let manifest = match cache.and_then(|cache| cache.manifest(&digest)) {
            Some(known) => known,
            None => {
                let manifest = self.describe(&code, origin).await?;
                if let Some(cache) = cache {
                    cache.keep_manifest(&digest, &manifest);
                }
                manifest
            }
        };
        let (name, actions) = plugin::actions(&manifest, &capabilities, origin)?;
        Ok(Arc::new(Plugin {
            name,
            version: manifest.version,
            description: manifest.description,
            digest,
            size_bytes: bytes.len(),
            actions,
            imports,
            reachable: reach.functions,
            proof: reach.proof,
            capabilities,
            code,
            component: bytes,
            fueled: OnceCell::new(),
        }))
    }

    /// The plugin's code for the engine that counts fuel: made where a workflow first asks for it.
    pub(crate) async fn fueled<'a>(&self, plugin: &'a Plugin) -> Result<&'a GuestPre<GuestState>, LoadError> {
        let origin = plugin.name.as_str();
        let runtime = self.fueled_runtime(origin)?;
        let prepare = || async {
            let component = self.compile_for(runtime, &plugin.component, origin).await?;
            runtime.prepare(&component, origin)
        };
        plugin.fueled.get_or_try_init(prepare).await
    }

    /// The engine that counts fuel.
    pub(crate) fn fueled_runtime(&self, origin: &str) -> Result<&Runtime, LoadError> {
        let attempts = self.inner.options.max_attempts;
        let runtime = self.inner.fueled.get_or_init(|| Runtime::new(true, attempts)).as_ref();
        runtime.map_err(|error| LoadError::NotDescribed {
            origin: origin.into(),
            reason: error.to_string(),
        })
    }

    /// What the two engines make code for.
    #[cfg(test)]
    pub(crate) fn targets(&self) -> Result<[Target; 2], LoadError> {
        Ok([self.inner.runtime.target, self.fueled_runtime("a test")?.target])
    }
}

/// Loads compiled code.
#[expect(
    unsafe_code,
    reason = "wasmtime trusts compiled code; this is the one place that hands it some"
)]
pub(crate) fn trusted(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were made by `Component::serialize`: either by our own build, inside this very program, or by an
    // earlier run, and then a keyed MAC over them was checked.
    unsafe { Component::deserialize(engine, code) }
}

/// Advances the epoch of both engines until the sandbox is gone.
fn start_ticking(sandbox: Weak<Inner>) -> Result<(), SandboxError> {
    let ticker = std::thread::Builder::new().name("epoch".to_owned());
    let tick = move || {
        while let Some(inner) = sandbox.upgrade() {
            inner.runtime.engine.increment_epoch();
            if let Some(Ok(fueled)) = inner.fueled.get() {
                fueled.engine.increment_epoch();
            }
            drop(inner);
            std::thread::sleep(EPOCH_TICK);
        }
    };
    ticker.spawn(tick).map(drop).map_err(|error| SandboxError {
        reason: error.to_string(),
    })
}
