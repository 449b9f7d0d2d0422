//! What is kept is what was put there, of all that want the same one makes it, and there is an end to its size.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use autokestra_model::Digest;
use tempfile::TempDir;
use tracing::span;
use wasmtime::{Config, Engine};

use super::entry::{Folder, Found};
use super::lock::Lock;
use super::name::{Name, Target};
use super::{Cache, CacheOptions, manifest};
use crate::bindings::Manifest;
use crate::bindings::autokestra::plugin::types::Action;
use crate::codegen;

/// Long enough ago that nothing counts as new.
fn long_ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

struct Place {
    root: TempDir,
    engine: Engine,
    target: Target,
}

impl Place {
    fn new() -> Self {
        let mut config = Config::new();
        codegen::configure(&mut config, false);
        let engine = Engine::new(&config).expect("wasmtime runs here");
        let target = Target::of(&engine, false);
        Self {
            root: tempfile::tempdir().expect("a temporary folder"),
            engine,
            target,
        }
    }

    fn options(&self, bytes_max: u64) -> CacheOptions {
        CacheOptions {
            folder: self.root.path().join("cache"),
            bytes_max,
        }
    }

    fn cache(&self) -> Cache {
        Cache::new(self.options(64 << 20))
    }

    /// The folder as a process that begins now has it.
    fn folder(&self, bytes_max: u64) -> Folder {
        Folder::open(&self.options(bytes_max)).expect("the folder is there, or made")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("cache").join(name)
    }

    fn name(&self, number: u8) -> Name {
        Name::Code(Digest::of(&component(number)), self.target)
    }

    fn used(&self, name: &str, at: SystemTime) {
        let file = File::options().write(true).open(self.path(name)).expect("it is there");
        file.set_times(FileTimes::new().set_modified(at)).expect("it is ours");
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("")).expect("read a folder").map(|file| {
            let name = file.expect("an entry").file_name();
            name.into_string().expect("UTF-8")
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

/// An empty component that differs from those of other numbers.
fn component(number: u8) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // A custom section: its kind, its length, the length of its name, its name, its bytes.
    bytes.extend([0, 4, 1, b'n', number, number]);
    bytes
}

/// Counts the events that say that something is compiled.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl tracing::Subscriber for Counting {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(bool);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 |= field.name() == "message" && format!("{value:?}") == "compiling";
            }
        }
        let mut message = Message(false);
        event.record(&mut message);
        self.0.fetch_add(usize::from(message.0), Ordering::SeqCst);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// How often something is compiled while `work` runs.
fn compiles(work: impl FnOnce()) -> usize {
    let counting = Counting::default();
    tracing::subscriber::with_default(counting.clone(), work);
    counting.0.load(Ordering::SeqCst)
}

impl Place {
    /// Whether a process that begins now has to compile.
    #[track_caller]
    fn must_compile(&self, number: u8) -> bool {
        let compiled = compiles(|| {
            let made = self
                .cache()
                .take_or_compile(&self.engine, self.target, &component(number));
            made.expect("an empty component is one");
        });
        compiled == 1
    }
}

#[test]
fn what_was_compiled_is_taken_by_the_next_process() {
    let place = Place::new();
    assert!(place.must_compile(1));
    assert!(!place.must_compile(1));
    assert!(place.must_compile(2), "another component is another entry");
}

#[test]
fn an_entry_that_somebody_changed_is_made_anew_and_replaced() {
    let place = Place::new();
    assert!(place.must_compile(1) && place.must_compile(2));
    let (one, two) = (place.name(1).to_string(), place.name(2).to_string());
    let whole = fs::read(place.path(&one)).expect("it is kept");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("shorter than a MAC", whole[..31].to_vec()),
        ("truncated", whole[..whole.len() - 1].to_vec()),
        ("longer", [&whole[..], b"x"].concat()),
        ("another MAC", flipped(0)),
        ("another first byte", flipped(32)),
        ("another last byte", flipped(whole.len() - 1)),
        ("another's entry", fs::read(place.path(&two)).expect("it is kept")),
    ] {
        fs::write(place.path(&one), bytes).expect("written");
        assert!(place.must_compile(1), "{what} was taken");
        assert!(!place.must_compile(1), "{what} was not replaced");
    }
}

#[test]
fn an_entry_for_another_engine_is_not_taken() {
    let place = Place::new();
    assert!(place.must_compile(1));
    let mut config = Config::new();
    codegen::configure(&mut config, true);
    let engine = Engine::new(&config).expect("wasmtime runs here");
    let target = Target::of(&engine, true);
    assert_ne!(target, place.target);
    let compiled = compiles(|| {
        let made = place.cache().take_or_compile(&engine, target, &component(1));
        made.expect("an empty component is one");
    });
    assert_eq!(compiled, 1);
}

#[test]
fn the_engines_of_a_sandbox_are_those_that_this_program_makes_code_for() {
    let options = crate::SandboxOptions {
        max_attempts: 3,
        ..crate::SandboxOptions::default()
    };
    let sandbox = crate::Sandbox::new(options).expect("wasmtime runs here");
    let targets = Target::of_this_program();
    assert_eq!(targets.len(), 2);
    assert_eq!(sandbox.targets().expect("both engines").to_vec(), targets);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
#[cfg(unix)]
fn a_key_that_others_could_have_read_or_put_there_is_replaced() {
    let place = Place::new();
    assert!(place.must_compile(1));
    let (folder, key) = (place.path(""), place.path("key"));
    assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600));
    let damages: [(&str, &dyn Fn()); 7] = [
        ("a key for the group", &|| set_mode(&key, 0o640)),
        ("a key for all", &|| set_mode(&key, 0o604)),
        ("a folder for all", &|| set_mode(&folder, 0o755)),
        ("a folder that all may write", &|| set_mode(&folder, 0o777)),
        ("a short key", &|| fs::write(&key, b"short").expect("written")),
        ("a long key", &|| fs::write(&key, [7; 33]).expect("written")),
        ("a link", &|| {
            fs::rename(&key, place.root.path().join("elsewhere")).expect("moved");
            std::os::unix::fs::symlink(place.root.path().join("elsewhere"), &key).expect("linked");
        }),
    ];
    for (what, damage) in damages {
        let before = fs::read(&key).expect("there is a key");
        damage();
        assert!(place.must_compile(1), "{what}: the code was taken");
        assert_ne!(
            fs::read(&key).expect("there is a key"),
            before,
            "{what}: the key is the same"
        );
        assert_eq!((mode(&folder), mode(&key)), (0o700, 0o600), "{what}");
        assert!(!place.must_compile(1), "{what}: the new key is not kept");
    }
}

#[test]
fn a_folder_that_cannot_be_had_costs_time_alone() {
    let place = Place::new();
    fs::write(place.path("").with_file_name("file"), "x").expect("written");
    let cache = Cache::new(CacheOptions {
        folder: place.root.path().join("file/cache"),
        bytes_max: 1 << 20,
    });
    let compiled = compiles(|| {
        for _ in 0..2 {
            let made = cache.take_or_compile(&place.engine, place.target, &component(1));
            made.expect("an empty component is one");
        }
    });
    assert_eq!(compiled, 2);
    assert!(cache.manifest(&Digest::of(b"x")).is_none());
    assert!(cache.list().is_err());
}

#[test]
fn a_limit_of_nothing_keeps_nothing() {
    let place = Place::new();
    let cache = Cache::new(place.options(0));
    let made = cache.take_or_compile(&place.engine, place.target, &component(1));
    made.expect("an empty component is one");
    assert!(!place.path("").exists());
    assert!(cache.list().expect("nothing is there").code.is_empty());
}

#[test]
fn those_who_want_the_same_at_once_compile_it_once() {
    let place = Place::new();
    for number in 0..30 {
        let (counting, barrier) = (Counting::default(), Barrier::new(4));
        // Two tasks of one process, and two processes beside it.
        let (shared, second, third) = (place.cache(), place.cache(), place.cache());
        std::thread::scope(|threads| {
            for cache in [&shared, &shared, &second, &third] {
                let (counting, barrier, place) = (counting.clone(), &barrier, &place);
                threads.spawn(move || {
                    tracing::subscriber::with_default(counting, || {
                        barrier.wait();
                        let made = cache.take_or_compile(&place.engine, place.target, &component(number));
                        made.expect("an empty component is one");
                    });
                });
            }
        });
        assert_eq!(counting.0.load(Ordering::SeqCst), 1, "of component {number}");
    }
    let left = place.files();
    assert!(!left.iter().any(|name| name.ends_with(".lock")), "{left:?}");
}

#[test]
fn a_lock_is_held_by_one_and_not_waited_for_for_ever() {
    let place = Place::new();
    place.folder(1 << 20);
    let path = place.path("x.lock");
    let held = Lock::take_within(&path, 1).expect("nobody has it");
    assert!(Lock::take_within(&path, 3).is_none());
    drop(held);
    let again = Lock::take_within(&path, 1).expect("it was let go");
    assert!(path.exists());
    drop(again);
    assert!(!path.exists());
    // One whose process died is a file that nobody has locked.
    fs::write(&path, "").expect("written");
    assert!(Lock::take_within(&path, 1).is_some());
}

#[test]
fn what_was_used_longest_ago_makes_room_and_before_it_what_is_of_no_use() {
    let place = Place::new();
    let folder = place.folder(1000);
    let (one, two, three, four) = (place.name(1), place.name(2), place.name(3), place.name(4));
    for (name, used) in [(one, 30), (two, 10), (three, 20)] {
        folder.keep(&name, &[0; 200]);
        place.used(&name.to_string(), long_ago(used));
    }
    let foreign = place.name(9).to_string().replace(".cwasm", "-fuel.cwasm");
    fs::write(place.path(&foreign), [0; 200]).expect("written");
    place.used(&foreign, long_ago(99));
    fs::write(place.path("notes.txt"), [0; 9999]).expect("written");
    let there = |name: &Name| place.path(&name.to_string()).exists();
    // Of 1128 bytes the one that does not fit is enough, though it was used last.
    folder.keep(&four, &[0; 200]);
    assert!(!place.path(&foreign).exists());
    assert!([one, two, three, four].iter().all(there));
    // A use keeps it.
    assert!(matches!(folder.get(&two), Found::Whole(_)));
    folder.keep(&place.name(5), &[0; 200]);
    assert!(!there(&three) && there(&one) && there(&two) && there(&four));
    // What was just written stays, though it alone is too large.
    folder.keep(&place.name(6), &[0; 5000]);
    assert!(there(&place.name(6)) && !there(&one) && !there(&two) && !there(&four));
    assert!(
        place.path("notes.txt").exists(),
        "what others keep there is not ours to remove"
    );
}

#[test]
fn what_dead_writers_left_is_removed_and_what_is_being_written_is_not() {
    let place = Place::new();
    let folder = place.folder(1 << 20);
    for name in [".1-dead", ".2-alive", ".3-new"] {
        fs::write(place.path(name), "part").expect("written");
    }
    let alive = File::open(place.path(".2-alive")).expect("it is there");
    alive.lock().expect("nobody else has it");
    for name in [".1-dead", ".2-alive"] {
        place.used(name, long_ago(0));
    }
    fs::write(place.path("dead.lock"), "").expect("written");
    let held = Lock::take_within(&place.path("held.lock"), 1).expect("nobody has it");
    folder.keep(&place.name(1), b"code");
    let mut expected = vec![".2-alive", ".3-new", "held.lock", "key"];
    let kept = place.name(1).to_string();
    expected.push(&kept);
    expected.sort_unstable();
    assert_eq!(place.files(), expected);
    drop(held);
}

#[test]
fn many_at_once_leave_a_folder_within_its_limit() {
    let place = Place::new();
    let limit = 100_000;
    std::thread::scope(|threads| {
        for thread in 0..4_u8 {
            let place = &place;
            threads.spawn(move || {
                let cache = Cache::new(place.options(limit));
                for number in 0..40_u8 {
                    let number = number.wrapping_mul(thread + 1);
                    let made = cache.take_or_compile(&place.engine, place.target, &component(number));
                    made.expect("an empty component is one");
                }
            });
        }
    });
    place.folder(limit).keep(&place.name(200), b"the last");
    let list = Cache::new(place.options(limit)).list().expect("it can be read");
    assert!(list.total_bytes <= limit && !list.code.is_empty(), "{list:?}");
}

fn a_manifest() -> Manifest {
    Manifest {
        name: "acme/report".to_owned(),
        version: "1.2.3".to_owned(),
        description: "Two\nlines, \"quotes\", ä.".to_owned(),
        actions: vec![Action {
            name: "render".to_owned(),
            title: "Renders".to_owned(),
            description: String::new(),
            input_schema: "{\"type\":\"object\"}".to_owned(),
            output_schema: "{}".to_owned(),
            idempotent: true,
        }],
    }
}

#[test]
fn what_a_plugin_says_of_itself_is_kept_beside_its_code() {
    let place = Place::new();
    let digest = Digest::of(&component(1));
    let said = manifest::encode(&a_manifest());
    place.cache().keep_manifest(&digest, &a_manifest());
    let known = place.cache().manifest(&digest).expect("it was kept");
    assert_eq!(manifest::encode(&known), said);
    assert!(place.cache().manifest(&Digest::of(b"another")).is_none());
    // Another's under its name, and one that was changed, are none.
    let path = place.path(&Name::Manifest(digest).to_string());
    let whole = fs::read(&path).expect("it is kept");
    fs::write(&path, String::from_utf8_lossy(&whole).replace("acme", "evil")).expect("written");
    assert!(place.cache().manifest(&digest).is_none());
    let other = place.path(&Name::Manifest(Digest::of(b"another")).to_string());
    fs::write(&other, &whole).expect("written");
    assert!(place.cache().manifest(&Digest::of(b"another")).is_none());
    fs::write(&path, &whole).expect("written");
    assert!(place.cache().manifest(&digest).is_some());
}

#[test]
fn the_list_tells_what_is_kept_and_clearing_removes_it_but_the_key() {
    let place = Place::new();
    let cache = place.cache();
    let empty = cache.list().expect("nothing is there");
    assert!(
        empty.code.is_empty() && !place.path("").exists(),
        "looking makes nothing"
    );
    assert_eq!(cache.clear().expect("nothing is there").code, 0);
    for number in [1, 2] {
        assert!(place.must_compile(number));
        place.used(&place.name(number).to_string(), long_ago(u64::from(number)));
    }
    cache.keep_manifest(&Digest::of(&component(1)), &a_manifest());
    let list = cache.list().expect("it can be read");
    let told: Vec<_> = list
        .code
        .iter()
        .map(|code| {
            (
                code.digest,
                code.plugin.as_ref().map(ToString::to_string),
                code.fits,
                code.fueled,
            )
        })
        .collect();
    let report = Some("acme/report".to_owned());
    let expected = [
        (Digest::of(&component(2)), None, true, false),
        (Digest::of(&component(1)), report, true, false),
    ];
    assert_eq!(told, expected);
    let sum: u64 = place
        .files()
        .iter()
        .filter(|name| *name != "key")
        .map(|name| fs::metadata(place.path(name)).expect("it is there").len())
        .sum();
    assert_eq!(list.total_bytes, sum);
    let cleared = cache.clear().expect("it is ours");
    assert_eq!((cleared.code, cleared.bytes), (2, sum));
    assert_eq!(place.files(), ["key"]);
}

#[test]
fn names_are_read_as_they_are_written() {
    let digest = Digest::of(b"x");
    let mut config = Config::new();
    codegen::configure(&mut config, true);
    let fueled = Target::of(&Engine::new(&config).expect("wasmtime runs here"), true);
    for name in [Name::Code(digest, fueled), Name::Manifest(digest)] {
        let text = name.to_string();
        assert_eq!(Name::parse(&text), Some(name));
        assert_eq!(Name::parse(&text.to_uppercase()), None);
        assert_eq!(Name::parse(&text[1..]), None);
    }
    for text in ["", "key", ".cwasm", "-1.0.0.manifest", "é.cwasm"] {
        assert_eq!(Name::parse(text), None, "{text}");
    }
}
