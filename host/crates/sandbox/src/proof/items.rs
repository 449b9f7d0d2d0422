//! What stands behind the names and indices of a component that is instantiated on paper.

use std::collections::HashMap;
use std::rc::Rc;

use wasmparser::{ComponentExternalKind, ComponentImport};

use super::component::Component;
use super::error::Unproved;
use super::graph::{CoreFunction, Function};
use super::module::Module;

/// Most instances that stand in each other.
const DEPTH_MAX: usize = 16;

/// What a name of a component stands for.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    Function(Rc<Function>),
    Instance(Instance<'a>),
    Component(Rc<Component<'a>>),
    Module(Rc<Module<'a>>),
    /// Types lead to no function.
    Type,
}

/// An instance of a component.
#[derive(Clone, Debug)]
pub(super) enum Instance<'a> {
    /// The host's, by the name under which it is imported.
    Host(&'a str),
    /// One that was made here.
    Inner(Rc<Inner<'a>>),
}

/// What an instance that was made here exports.
#[derive(Debug)]
pub(super) struct Inner<'a> {
    pub(super) exports: HashMap<&'a str, Item<'a>>,
    /// How many instances stand in each other.
    depth: usize,
}

impl<'a> Inner<'a> {
    pub(super) fn new(exports: HashMap<&'a str, Item<'a>>) -> Result<Self, Unproved> {
        let depth = |item: &Item<'a>| match item {
            Item::Instance(Instance::Inner(inner)) => inner.depth,
            Item::Instance(Instance::Host(_))
            | Item::Function(_)
            | Item::Component(_)
            | Item::Module(_)
            | Item::Type => 0,
        };
        let depth = 1 + exports.values().map(depth).max().unwrap_or(0);
        if depth > DEPTH_MAX {
            return Err(Unproved::Unfollowed {
                what: "nests its instances too deep",
            });
        }
        Ok(Self { exports, depth })
    }
}

/// A core instance, as far as others may take from it.
#[derive(Clone, Debug)]
pub(super) enum CoreInstance<'a> {
    Module(usize),
    Exports(Rc<HashMap<&'a str, CoreItem>>),
}

/// What a core instance exports.
#[derive(Clone, Copy, Debug)]
pub(super) enum CoreItem {
    Function(CoreFunction),
    Table(usize),
    Other,
}

/// What the host gives for an import.
pub(super) fn of_host<'a>(import: &ComponentImport<'a>) -> Result<Item<'a>, Unproved> {
    match import.ty.kind() {
        ComponentExternalKind::Func => Ok(Item::Function(Rc::new(Function::Host(import.name.name.to_owned())))),
        ComponentExternalKind::Instance => Ok(Item::Instance(Instance::Host(import.name.name))),
        ComponentExternalKind::Type => Ok(Item::Type),
        ComponentExternalKind::Module | ComponentExternalKind::Component | ComponentExternalKind::Value => {
            Err(Unproved::Unfollowed {
                what: "takes more than functions and types from the host",
            })
        }
    }
}
