//! What a WebAssembly file is, told by what it exports before any of it is compiled.

use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

/// The one module that a program of WASI preview 1 imports.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// What a file can be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A component that describes itself and offers actions.
    Plugin,
    /// A program.
    Program(ProgramKind),
}

/// How a program was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// A component that exports `wasi:cli/run`.
    Command,
    /// A core module of WASI preview 1 that exports `_start`. It is made a component when it is loaded.
    Module,
}

impl ProgramKind {
    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Module => "preview1",
        }
    }
}

/// The kind of a file, or what it is instead.
pub(crate) fn of(bytes: &[u8]) -> Result<Kind, String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("it does not begin as WebAssembly does".to_owned());
    }
    let found = Names::read(bytes).map_err(|error| format!("it is damaged or cut off: {error}"))?;
    if found.is_component {
        of_component(&found.exports)
    } else {
        of_module(&found)
    }
}

fn of_component(exports: &[&str]) -> Result<Kind, String> {
    if exports.contains(&"describe") && exports.contains(&"run") {
        return Ok(Kind::Plugin);
    }
    let find = |start: &str| exports.iter().find(|name| name.starts_with(start));
    if find("wasi:cli/run@0.2.").is_some() {
        return Ok(Kind::Program(ProgramKind::Command));
    }
    if let Some(run) = find("wasi:cli/run@") {
        return Err(format!("it is made for another WASI, `{run}`; 0.2 is served"));
    }
    if find("wasi:http/incoming-handler").is_some() {
        return Err("it is a server that answers HTTP requests, and a program exports `wasi:cli/run`".to_owned());
    }
    Err(format!(
        "a program exports `wasi:cli/run`, and it exports {}",
        listed(exports)
    ))
}

fn of_module(found: &Names<'_>) -> Result<Kind, String> {
    if let Some((module, name)) = found.imports.iter().find(|(module, _)| *module != PREVIEW1) {
        return Err(format!(
            "it imports `{module}.{name}`, and a core module may import `{PREVIEW1}` alone"
        ));
    }
    if found.exports.contains(&"_start") {
        return Ok(Kind::Program(ProgramKind::Module));
    }
    if found.exports.contains(&"_initialize") {
        return Err("it is a library (a reactor): a program exports `_start`, and it exports `_initialize`".to_owned());
    }
    Err(format!(
        "a program exports `_start`, and it exports {}",
        listed(&found.exports)
    ))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// What a file imports and exports itself, not the parts in it.
#[derive(Default)]
struct Names<'b> {
    is_component: bool,
    /// Module and name, of a core module.
    imports: Vec<(&'b str, &'b str)>,
    exports: Vec<&'b str>,
}

impl<'b> Names<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, BinaryReaderError> {
        let mut found = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    if depth == 0 {
                        found.is_component = encoding == Encoding::Component;
                    }
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ImportSection(section) if depth == 1 => {
                    for import in section.into_imports() {
                        let import = import?;
                        found.imports.push((import.module, import.name));
                    }
                }
                Payload::ExportSection(section) if depth == 1 => {
                    for export in section {
                        found.exports.push(export?.name);
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        found.exports.push(export?.name.name);
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module that imports functions and exports one of its own under each name.
    fn module(imports: &[(&str, &str)], exports: &[&str]) -> Vec<u8> {
        fn text(text: &str) -> Vec<u8> {
            [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
        }
        fn section(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
            let count = u8::try_from(items.len()).expect("few");
            let body = [vec![count], items.concat()].concat();
            [vec![id, u8::try_from(body.len()).expect("short")], body].concat()
        }
        let functions = u8::try_from(imports.len()).expect("few");
        let imports: Vec<Vec<u8>> = imports
            .iter()
            .map(|(module, name)| [text(module), text(name), vec![0, 0]].concat())
            .collect();
        let exports: Vec<Vec<u8>> = exports
            .iter()
            .map(|name| [text(name), vec![0, functions]].concat())
            .collect();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &[vec![0x60, 0, 0]]),
            section(2, &imports),
            section(3, &[vec![0]]),
            section(7, &exports),
            section(10, &[vec![2, 0, 0x0b]]),
        ]
        .concat()
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Kind, &str>) {
        match (of(bytes), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn modules_are_told_apart_by_what_they_export_and_import() {
        let wasi = &[(PREVIEW1, "fd_write")][..];
        check(&module(wasi, &["_start"]), Ok(Kind::Program(ProgramKind::Module)));
        check(&module(&[], &["_start"]), Ok(Kind::Program(ProgramKind::Module)));
        check(&module(wasi, &["_initialize"]), Err("a reactor"));
        check(&module(wasi, &["a", "b"]), Err("it exports `a`, `b`"));
        check(&module(&[], &[]), Err("it exports nothing"));
        check(&module(&[("env", "abort")], &["_start"]), Err("imports `env.abort`"));
        check(
            &module(&[("wasi_unstable", "fd_write")], &["_start"]),
            Err("imports `wasi_unstable.fd_write`"),
        );
    }

    #[test]
    fn what_is_no_webassembly_is_told() {
        check(b"", Err("does not begin"));
        check(b"id: flow\n", Err("does not begin"));
        check(b"\0asm", Err("cut off"));
        let whole = module(&[(PREVIEW1, "fd_write")], &["_start"]);
        check(&whole[..20], Err("cut off"));
        for end in 0..whole.len() {
            // Wherever it is cut: no panic.
            drop(of(&whole[..end]));
        }
        check(b"\0asm\x0d\0\x01\0", Err("it exports nothing"));
    }
}
