//! What a component could do at most, by the host's functions that it can reach.
//!
//! A program with a standard library imports whole interfaces' types without ever opening a file, so functions are asked
//! about, not interfaces.

use std::collections::BTreeSet;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// One thing that a component may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// It can open files.
    OpenFiles,
    /// It can learn what files there are.
    SeeFiles,
    /// It can read what is in a file.
    ReadFiles,
    /// It can create, empty, rename or remove files and folders, or set their times.
    ChangeFiles,
    /// It can write into a file.
    WriteFiles,
    /// It can send HTTP requests.
    Http,
    /// It can open TCP sockets.
    Tcp,
    /// It can open UDP sockets.
    Udp,
    /// It can ask for TCP connections from outside.
    Listen,
    /// It can look up names of hosts.
    LookUp,
    /// It can read environment variables.
    Environment,
    /// It can read the arguments of a program.
    Arguments,
    /// It can read standard input.
    Stdin,
    /// It can read the clock, or wait by it.
    Clock,
    /// It can get random numbers.
    Random,
    /// It can read or keep values that outlive an execution.
    State,
    /// It can write to its log.
    Log,
    /// It can report progress.
    Progress,
    /// It can end before its action returns.
    Exit,
}

impl Ability {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 19] = [
        Self::OpenFiles,
        Self::SeeFiles,
        Self::ReadFiles,
        Self::ChangeFiles,
        Self::WriteFiles,
        Self::Http,
        Self::Tcp,
        Self::Udp,
        Self::Listen,
        Self::LookUp,
        Self::Environment,
        Self::Arguments,
        Self::Stdin,
        Self::Clock,
        Self::Random,
        Self::State,
        Self::Log,
        Self::Progress,
        Self::Exit,
    ];

    /// What it is, behind "can" or "cannot".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::OpenFiles => "open files",
            Self::SeeFiles => "see what files there are",
            Self::ReadFiles => "read files",
            Self::ChangeFiles => "create, empty, rename or remove files",
            Self::WriteFiles => "write into files",
            Self::Http => "send HTTP requests",
            Self::Tcp => "open TCP sockets",
            Self::Udp => "open UDP sockets",
            Self::Listen => "listen for connections",
            Self::LookUp => "look up names of hosts",
            Self::Environment => "read environment variables",
            Self::Arguments => "read arguments",
            Self::Stdin => "read standard input",
            Self::Clock => "read the clock",
            Self::Random => "get random numbers",
            Self::State => "keep values from one execution to the next",
            Self::Log => "write to its log",
            Self::Progress => "report progress",
            Self::Exit => "exit before it returns",
        }
    }

    /// Whether it takes a grant besides.
    const fn is_granted(self) -> bool {
        match self {
            Self::OpenFiles
            | Self::SeeFiles
            | Self::ReadFiles
            | Self::ChangeFiles
            | Self::WriteFiles
            | Self::Http
            | Self::Tcp
            | Self::Udp
            | Self::LookUp
            | Self::Environment => true,
            // Nothing listens, whatever is granted.
            Self::Listen
            | Self::Arguments
            | Self::Stdin
            | Self::Clock
            | Self::Random
            | Self::State
            | Self::Log
            | Self::Progress
            | Self::Exit => false,
        }
    }
}

/// What a component can do at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Ability>);

impl Capabilities {
    /// What these functions, each as `interface#function`, allow at most.
    pub(crate) fn of(functions: &[String]) -> Self {
        let reach = Reach(functions);
        let able = Ability::ALL.into_iter().filter(|ability| reach.allows(*ability));
        Self(able.collect())
    }

    /// Whether it may be able to do this.
    #[must_use]
    pub fn can(&self, ability: Ability) -> bool {
        self.0.contains(&ability)
    }

    /// What it can do and cannot do, in words.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let statement = |ability: Ability| match (self.can(ability), ability.is_granted()) {
            (true, _) if ability == Ability::Listen => {
                format!("can {}, which is always denied", ability.words())
            }
            (true, true) => format!("can {}, where granted", ability.words()),
            (true, false) => format!("can {}", ability.words()),
            (false, _) => format!("cannot {}", ability.words()),
        };
        Ability::ALL.into_iter().map(statement).collect()
    }
}

/// Functions that are called, as `interface#function`.
struct Reach<'f>(&'f [String]);

/// What reads from a stream, be it a file's or standard input.
const STREAM_READS: &[&str] = &[
    "[method]input-stream.read",
    "[method]input-stream.blocking-read",
    "[method]input-stream.skip",
    "[method]input-stream.blocking-skip",
    "[method]output-stream.splice",
    "[method]output-stream.blocking-splice",
];

/// What writes to a stream.
const STREAM_WRITES: &[&str] = &[
    "[method]output-stream.write",
    "[method]output-stream.blocking-write-and-flush",
    "[method]output-stream.write-zeroes",
    "[method]output-stream.blocking-write-zeroes-and-flush",
    "[method]output-stream.splice",
    "[method]output-stream.blocking-splice",
];

/// Methods of a descriptor that tell what lies in a granted folder; those that name a path tell whether it is there.
const FILE_LOOKS: &[&str] = &[
    "[method]descriptor.read-directory",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
    "[method]descriptor.readlink-at",
];

/// Methods of a descriptor that change what lies in a granted folder. Opening is one of them: it may create or empty a file.
const FILE_CHANGES: &[&str] = &[
    "[method]descriptor.open-at",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.link-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.set-times-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.unlink-file-at",
];

impl Reach<'_> {
    fn allows(&self, ability: Ability) -> bool {
        let files = "wasi:filesystem/types";
        let opens = || self.calls(files, &["[method]descriptor.open-at"]);
        match ability {
            Ability::OpenFiles => opens(),
            Ability::SeeFiles => self.calls(files, FILE_LOOKS) || self.calls(files, FILE_CHANGES),
            // What is granted are folders: a file's own descriptor comes from opening it.
            Ability::ReadFiles => {
                opens()
                    && self.calls(
                        files,
                        &["[method]descriptor.read", "[method]descriptor.read-via-stream"],
                    )
            }
            Ability::ChangeFiles => self.calls(files, FILE_CHANGES),
            Ability::WriteFiles => {
                let writes = &[
                    "[method]descriptor.write",
                    "[method]descriptor.write-via-stream",
                    "[method]descriptor.append-via-stream",
                ];
                opens() && self.calls(files, writes)
            }
            Ability::Http => self.calls("wasi:http/outgoing-handler", &["handle"]),
            Ability::Tcp => self.calls("wasi:sockets/tcp-create-socket", &["create-tcp-socket"]),
            Ability::Udp => self.calls("wasi:sockets/udp-create-socket", &["create-udp-socket"]),
            Ability::Listen => {
                self.allows(Ability::Tcp) && self.calls("wasi:sockets/tcp", &["[method]tcp-socket.start-listen"])
            }
            Ability::LookUp => self.calls("wasi:sockets/ip-name-lookup", &["resolve-addresses"]),
            Ability::Environment => self.calls("wasi:cli/environment", &["get-environment"]),
            Ability::Arguments => self.calls("wasi:cli/environment", &["get-arguments"]),
            Ability::Stdin => {
                self.calls("wasi:cli/stdin", &["get-stdin"]) && self.calls("wasi:io/streams", STREAM_READS)
            }
            Ability::Clock => self.any_of(&["wasi:clocks/monotonic-clock", "wasi:clocks/wall-clock"]),
            Ability::Random => self.any_of(&[
                "wasi:random/random",
                "wasi:random/insecure",
                "wasi:random/insecure-seed",
            ]),
            Ability::State => self.any_of(&["autokestra:plugin/state"]),
            Ability::Log => {
                let printed = self.any_of(&["wasi:cli/stdout", "wasi:cli/stderr"]);
                self.any_of(&["autokestra:plugin/log"]) || printed && self.calls("wasi:io/streams", STREAM_WRITES)
            }
            Ability::Progress => self.any_of(&["autokestra:plugin/progress"]),
            Ability::Exit => self.any_of(&["wasi:cli/exit"]),
        }
    }

    /// Whether any of these functions of an interface is called.
    fn calls(&self, interface: &str, functions: &[&str]) -> bool {
        self.0.iter().any(|called| {
            interface_and_function(called).is_some_and(|(of, name)| of == interface && functions.contains(&name))
        })
    }

    /// Whether any function of any of these interfaces is called.
    fn any_of(&self, interfaces: &[&str]) -> bool {
        self.0
            .iter()
            .any(|called| interface_and_function(called).is_some_and(|(of, _)| interfaces.contains(&of)))
    }
}

/// The interface of a function without its version, and the function's own name.
fn interface_and_function(called: &str) -> Option<(&str, &str)> {
    let (interface, function) = called.split_once('#')?;
    let unversioned = interface.split_once('@').map_or(interface, |(interface, _)| interface);
    Some((unversioned, function))
}

/// The imported functions of a component, as `interface#function`.
pub(crate) fn imports(engine: &Engine, component: &Component) -> Vec<String> {
    let mut found = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                for (function, item) in instance.exports(engine) {
                    if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                        found.push(format!("{name}#{function}"));
                    }
                }
            }
            ComponentItem::ComponentFunc(_) => found.push(name.to_owned()),
            _ => {}
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_parser::{Resolve, WorldItem};

    /// Every function that a plugin may import, with the version of its interface.
    fn contract() -> Vec<String> {
        let mut resolve = Resolve::default();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../wit");
        let (package, _) = resolve.push_dir(folder).expect("the contract is WIT");
        let world = resolve.select_world(&[package], Some("plugin")).expect("a world");
        let mut found = Vec::new();
        for item in resolve.worlds[world].imports.values() {
            if let WorldItem::Interface { id, .. } = item {
                let interface = resolve.id_of(*id).expect("it has a name");
                let functions = resolve.interfaces[*id].functions.keys();
                found.extend(functions.map(|function| format!("{interface}#{function}")));
            }
        }
        found.sort();
        found
    }

    fn able(functions: &[&String]) -> BTreeSet<Ability> {
        let functions: Vec<String> = functions.iter().map(|function| (*function).clone()).collect();
        Capabilities::of(&functions).0
    }

    #[test]
    fn nothing_can_be_done_without_functions_and_all_with_all() {
        assert_eq!(Capabilities::of(&[]), Capabilities::default());
        let all = Capabilities::of(&contract());
        assert!(Ability::ALL.into_iter().all(|ability| all.can(ability)), "{all:?}");
        assert!(
            Capabilities::default()
                .statements()
                .iter()
                .all(|said| said.starts_with("cannot "))
        );
        assert_eq!(all.statements().len(), Ability::ALL.len());
    }

    /// A function that is new in the contract, and that nobody thought about, shows here.
    #[test]
    fn every_function_counts_or_is_known_to_allow_nothing() {
        let all = contract();
        let alone: Vec<BTreeSet<Ability>> = all.iter().map(|function| able(&[function])).collect();
        let counts = |index: usize| {
            !alone[index].is_empty()
                || (0..all.len()).any(|other| {
                    let both = able(&[&all[index], &all[other]]);
                    both.iter().any(|ability| !alone[other].contains(ability))
                })
        };
        let nothing = (0..all.len())
            .filter(|index| !counts(*index))
            .map(|index| all[index].as_str());
        insta::assert_snapshot!(nothing.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn what_is_asked_about_is_in_the_contract() {
        let all = contract();
        let tables = [FILE_LOOKS, FILE_CHANGES, STREAM_READS, STREAM_WRITES];
        for name in tables.into_iter().flatten() {
            assert!(
                all.iter().any(|function| function.ends_with(&format!("#{name}"))),
                "{name}"
            );
        }
    }
}
