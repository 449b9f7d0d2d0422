//! Plugins that try one thing each: core modules as a compiler would leave them, made into components as compilers do.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, Resolve, WorldId, WorldItem};

use crate::support::repository;

/// How a plugin comes to call what it tries; or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its action calls it.
    Call,
    /// Its action calls it through a table, in a slot that is known when it runs only.
    Table,
    /// A function calls it, and nothing calls that function.
    Never,
    /// It stands in a table, and another slot is called.
    TableNever,
    /// It calls it when it says what it is.
    Describe,
}

/// The contract of plugins, with all that they may import.
pub(crate) struct Contract {
    resolve: Resolve,
    world: WorldId,
}

impl Contract {
    /// Reads `wit/`.
    pub(crate) fn read() -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(repository().join("wit")).expect("the contract is WIT");
        let world = resolve.select_world(&[package], Some("plugin")).expect("a world");
        Self { resolve, world }
    }

    /// The function `interface#function` of the contract, without the interface's version: its whole interface, and itself.
    fn function(&self, name: &str) -> (String, &Function) {
        let (interface, function) = name.split_once('#').expect("interface#function");
        let imports = self.resolve.worlds[self.world].imports.values();
        let found = imports.into_iter().find_map(|item| {
            let WorldItem::Interface { id, .. } = item else {
                return None;
            };
            let whole = self.resolve.id_of(*id)?;
            let unversioned = whole.split('@').next()?;
            (unversioned == interface).then_some((whole, *id))
        });
        let (whole, id) = found.unwrap_or_else(|| panic!("no interface {interface}"));
        let function = self.resolve.interfaces[id].functions.get(function);
        (whole, function.unwrap_or_else(|| panic!("no function {name}")))
    }

    /// A plugin `test/tries` whose action `go` tries `functions` in this way, each given nothing but zeros, and gives null.
    pub(crate) fn plugin(&self, functions: &[&str], way: Way) -> Vec<u8> {
        let (mut imports, mut calls) = (String::new(), String::new());
        for (index, name) in functions.iter().enumerate() {
            let (interface, function) = self.function(name);
            let signature = self.resolve.wasm_signature(AbiVariant::GuestImport, function);
            let types = |types: &[WasmType]| types.iter().map(|ty| core_type(*ty)).collect::<Vec<_>>().join(" ");
            let (params, results) = (types(&signature.params), types(&signature.results));
            writeln!(
                imports,
                r#"(import "{interface}" "{}" (func $f{index} (param {params}) (result {results})))"#,
                function.name
            )
            .expect("a string takes it");
            let zeros: String = signature
                .params
                .iter()
                .map(|ty| format!("({}.const 0) ", core_type(*ty)))
                .collect();
            let call = format!("(call $f{index} {zeros})");
            let drops = signature.results.iter().fold(call, |call, _| format!("(drop {call})"));
            writeln!(calls, "{drops}").expect("a string takes it");
        }
        let (table, go) = match way {
            Way::Call => ("", "(call $try)"),
            Way::Table => (
                "(table $t 4 funcref) (elem (table $t) (i32.const 2) func $try)",
                "(call_indirect $t (i32.load (i32.const 60000)))",
            ),
            Way::Never | Way::Describe => ("", ""),
            Way::TableNever => (
                "(table $t 4 funcref) (elem (table $t) (i32.const 1) func $nothing $try)",
                "(call_indirect $t (i32.const 1))",
            ),
        };
        let describe = if way == Way::Describe { "(call $try)" } else { "" };
        let module = format!(
            r#"(module {imports} {table}
            (memory (export "memory") 1)
            (data (i32.const 60000) "\02\00\00\00")
            {MANIFEST}
            (global $free (mut i32) (i32.const 4096))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 3))))
            (func $nothing)
            (func $try {calls})
            (func (export "describe") (result i32) {describe} (i32.const 2048))
            (func (export "run") (param i32) (result i32) {go} (i32.const 3072)))"#
        );
        let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}\n{module}"));
        wit_component::embed_component_metadata(&mut module, &self.resolve, self.world, StringEncoding::UTF8)
            .expect("the contract fits into it");
        let mut encoder = ComponentEncoder::default().module(&module).expect("a module");
        encoder.encode().expect("a component")
    }
}

/// Texts from 1024 on, the manifest of one action at 2048, and the result `null` at 3072.
const MANIFEST: &str = r#"(data (i32.const 1024) "test/tries1.0.0go{}null")
    (data (i32.const 2048) "\00\04\00\00\0a\00\00\00\0a\04\00\00\05\00\00\00\00\04\00\00\00\00\00\00\00\09\00\00\01\00\00\00")
    (data (i32.const 2304) "\0f\04\00\00\02\00\00\00\0f\04\00\00\02\00\00\00\0f\04\00\00\02\00\00\00\11\04\00\00\02\00\00\00\11\04\00\00\02\00\00\00\01\00\00\00")
    (data (i32.const 3072) "\00\00\00\00\00\00\00\00\13\04\00\00\04\00\00\00")"#;

fn core_type(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// `component` with another one in it that does nothing, and that is built in a way that is not followed.
pub(crate) fn with_more_in_it(mut component: Vec<u8>) -> Vec<u8> {
    let inner = r#"(component (core module)
        (component (alias outer 1 0 (core module)) (core instance (instantiate 0)))
        (instance (instantiate 0)))"#;
    let inner = wat::parse_str(inner).expect("a component");
    // A section of a component within: its number, its length, itself. Lengths below 128 are one byte.
    let length = u8::try_from(inner.len()).ok().filter(|length| *length < 128);
    component.extend([4, length.expect("a short one")]);
    component.extend(inner);
    // And a section that instantiates it: it is the only one, so its index is 0.
    component.extend([5, 4, 1, 0, 0, 0]);
    component
}
