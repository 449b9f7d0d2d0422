//! What a component could do at most, by the functions that it imports.
//!
//! A program with a standard library imports whole interfaces' types without ever opening a file, so functions are asked
//! about, not interfaces.

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// What a component's imports allow it at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It can open files.
    pub files: bool,
    /// It can send HTTP requests.
    pub http: bool,
    /// It can open sockets.
    pub sockets: bool,
    /// It can read the clock.
    pub clock: bool,
    /// It can read environment variables.
    pub environment: bool,
}

impl Capabilities {
    /// What it can do and cannot do, in words.
    #[must_use]
    pub fn statements(&self) -> Vec<&'static str> {
        let say = |can: bool, yes: &'static str, no: &'static str| if can { yes } else { no };
        vec![
            say(self.files, "can open files, where granted", "cannot open files"),
            say(
                self.http,
                "can send HTTP requests, where granted",
                "cannot send HTTP requests",
            ),
            say(
                self.sockets,
                "can ask for sockets, which are always denied",
                "cannot open sockets",
            ),
            say(
                self.environment,
                "can read environment variables, where granted",
                "cannot read environment variables",
            ),
            say(self.clock, "can read the clock", "cannot read the clock"),
        ]
    }
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

/// What these imports allow at most.
pub(crate) fn capabilities(imports: &[String]) -> Capabilities {
    let any = |test: &dyn Fn(&str, &str) -> bool| {
        imports
            .iter()
            .filter_map(|import| import.split_once('#'))
            .any(|(interface, function)| test(interface, function))
    };
    Capabilities {
        files: any(&|interface, function| interface.starts_with("wasi:filesystem/types") && function.ends_with("-at")),
        http: any(&|interface, _| interface.starts_with("wasi:http/outgoing-handler")),
        sockets: any(&|interface, function| interface.starts_with("wasi:sockets/") && function.contains("create")),
        clock: any(&|interface, function| {
            interface.starts_with("wasi:clocks/") && matches!(function, "now" | "resolution")
        }),
        environment: any(&|interface, _| interface.starts_with("wasi:cli/environment")),
    }
}
