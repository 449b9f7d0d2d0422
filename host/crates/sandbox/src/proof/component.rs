//! A component's file, read into its definitions, in order. Nothing is followed yet.

use std::rc::Rc;

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentImport, ComponentInstance, ComponentType, Encoding,
    Instance, Parser, Payload,
};

use super::budget::Budget;
use super::error::Unproved;
use super::module::Module;

/// Deepest nesting of components.
const DEPTH_MAX: usize = 16;

/// A component's definitions.
#[derive(Debug, Default)]
pub(super) struct Component<'a> {
    pub(super) definitions: Vec<Definition<'a>>,
}

/// One definition: it adds an item to what later ones may name.
#[derive(Debug)]
pub(super) enum Definition<'a> {
    Import(ComponentImport<'a>),
    Module(Rc<Module<'a>>),
    Component(Rc<Component<'a>>),
    CoreInstance(Instance<'a>),
    Instance(ComponentInstance<'a>),
    Alias(ComponentAlias<'a>),
    Canonical(CanonicalFunction),
    /// The function that runs when a resource of the component's own goes.
    Destructor(u32),
    Export(ComponentExport<'a>),
}

/// A module or component that has begun and not ended.
enum Open<'a> {
    Module(Module<'a>),
    Component(Component<'a>),
}

/// Reads a component's bytes.
pub(super) fn read<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Component<'a>, Unproved> {
    let mut open: Vec<Open<'a>> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                if open.len() >= DEPTH_MAX {
                    return Err(Unproved::Unfollowed {
                        what: "nests its components too deep",
                    });
                }
                open.push(match encoding {
                    Encoding::Module => Open::Module(Module::default()),
                    Encoding::Component => Open::Component(Component::default()),
                });
            }
            Payload::End(offset) => {
                let ended = open.pop().ok_or(Unproved::Malformed { offset })?;
                match (open.last_mut(), ended) {
                    (Some(Open::Component(outer)), Open::Module(module)) => {
                        outer.definitions.push(Definition::Module(Rc::new(module)));
                    }
                    (Some(Open::Component(outer)), Open::Component(component)) => {
                        outer.definitions.push(Definition::Component(Rc::new(component)));
                    }
                    (None, Open::Component(component)) => return Ok(component),
                    (None | Some(Open::Module(_)), _) => return Err(Unproved::Malformed { offset }),
                }
            }
            payload => match open.last_mut() {
                Some(Open::Module(module)) => module.take(payload, budget)?,
                Some(Open::Component(component)) => component.take(payload, budget)?,
                None => return Err(Unproved::Malformed { offset: 0 }),
            },
        }
    }
    Err(Unproved::Malformed { offset: bytes.len() })
}

impl<'a> Component<'a> {
    /// Takes the next part of the component.
    fn take(&mut self, payload: Payload<'a>, budget: &mut Budget) -> Result<(), Unproved> {
        match payload {
            Payload::ComponentImportSection(reader) => self.add(reader, Definition::Import, budget),
            Payload::InstanceSection(reader) => self.add(reader, Definition::CoreInstance, budget),
            Payload::ComponentInstanceSection(reader) => self.add(reader, Definition::Instance, budget),
            Payload::ComponentAliasSection(reader) => self.add(reader, Definition::Alias, budget),
            Payload::ComponentCanonicalSection(reader) => self.add(reader, Definition::Canonical, budget),
            Payload::ComponentExportSection(reader) => self.add(reader, Definition::Export, budget),
            Payload::ComponentTypeSection(reader) => {
                for ty in reader {
                    budget.spend(1)?;
                    if let ComponentType::Resource {
                        dtor: Some(function), ..
                    } = ty?
                    {
                        self.definitions.push(Definition::Destructor(function));
                    }
                }
                Ok(())
            }
            Payload::ComponentStartSection { .. } => Err(Unproved::Unfollowed {
                what: "has a start function of its own",
            }),
            Payload::UnknownSection { .. } => Err(Unproved::Unfollowed {
                what: "has a section that is not known",
            }),
            // What begins a module or component is told by the version in it; types and names call nothing.
            _ => Ok(()),
        }
    }

    fn add<T>(
        &mut self,
        reader: wasmparser::SectionLimited<'a, T>,
        definition: impl Fn(T) -> Definition<'a>,
        budget: &mut Budget,
    ) -> Result<(), Unproved>
    where
        T: wasmparser::FromReader<'a>,
    {
        for item in reader {
            budget.spend(1)?;
            self.definitions.push(definition(item?));
        }
        Ok(())
    }
}
