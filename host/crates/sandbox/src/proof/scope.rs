//! Instantiates a component on paper: every index and name is followed to the function, table or instance behind it.

use std::collections::HashMap;
use std::rc::Rc;

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, Export, Instance as CoreInstanceDefinition, InstantiationArg,
};

use super::budget::Budget;
use super::component::{Component, Definition};
use super::error::Unproved;
use super::graph::{CoreFunction, Function, Graph};
use super::items::{CoreInstance, CoreItem, Inner, Instance, Item, of_host};
use super::module::{Module, Sort};

/// Deepest instantiation of components within components.
const DEPTH_MAX: usize = 16;

/// Instantiates the component that is loaded: its exports can be called, and its imports are the host's.
pub(super) fn instantiate<'a>(component: &Component<'a>, budget: &mut Budget) -> Result<Graph<'a>, Unproved> {
    let mut graph = Graph::default();
    let exports = Scope::run(component, None, 0, &mut graph, budget)?;
    export(&exports, &mut graph, budget)?;
    Ok(graph)
}

/// Lets all that is exported be called from outside.
fn export(exports: &HashMap<&str, Item<'_>>, graph: &mut Graph<'_>, budget: &mut Budget) -> Result<(), Unproved> {
    for item in exports.values() {
        budget.spend(1)?;
        match item {
            Item::Function(function) => graph.export(function),
            Item::Instance(Instance::Inner(inner)) => export(&inner.exports, graph, budget)?,
            Item::Type => {}
            Item::Instance(Instance::Host(_)) | Item::Component(_) | Item::Module(_) => {
                return Err(Unproved::Unfollowed {
                    what: "exports a module, a component or an instance of the host",
                });
            }
        }
    }
    Ok(())
}

/// What the definitions so far have brought, each sort counted from 0.
struct Scope<'a, 'g> {
    graph: &'g mut Graph<'a>,
    budget: &'g mut Budget,
    depth: usize,
    modules: Vec<Rc<Module<'a>>>,
    core_instances: Vec<CoreInstance<'a>>,
    core_functions: Vec<CoreFunction>,
    core_tables: Vec<usize>,
    components: Vec<Rc<Component<'a>>>,
    instances: Vec<Instance<'a>>,
    functions: Vec<Rc<Function>>,
    exports: HashMap<&'a str, Item<'a>>,
}

fn dangling(what: &'static str) -> Unproved {
    Unproved::Dangling { what }
}

fn at<'i, T>(items: &'i [T], index: u32, what: &'static str) -> Result<&'i T, Unproved> {
    items.get(index as usize).ok_or_else(|| dangling(what))
}

impl<'a, 'g> Scope<'a, 'g> {
    /// Instantiates `component` with `given`; none: its imports are the host's. Gives what it exports.
    fn run(
        component: &Component<'a>,
        given: Option<&HashMap<&'a str, Item<'a>>>,
        depth: usize,
        graph: &'g mut Graph<'a>,
        budget: &'g mut Budget,
    ) -> Result<HashMap<&'a str, Item<'a>>, Unproved> {
        if depth > DEPTH_MAX {
            return Err(Unproved::Unfollowed {
                what: "instantiates its components too deep",
            });
        }
        let mut scope = Scope {
            graph,
            budget,
            depth,
            modules: Vec::new(),
            core_instances: Vec::new(),
            core_functions: Vec::new(),
            core_tables: Vec::new(),
            components: Vec::new(),
            instances: Vec::new(),
            functions: Vec::new(),
            exports: HashMap::new(),
        };
        for definition in &component.definitions {
            scope.budget.spend(1)?;
            scope.define(definition, given)?;
        }
        Ok(scope.exports)
    }

    fn define(
        &mut self,
        definition: &Definition<'a>,
        given: Option<&HashMap<&'a str, Item<'a>>>,
    ) -> Result<(), Unproved> {
        match definition {
            Definition::Import(import) => {
                let item = match given {
                    None => of_host(import)?,
                    Some(given) => match given.get(import.name.name) {
                        Some(item) => item.clone(),
                        None if import.ty.kind() == ComponentExternalKind::Type => Item::Type,
                        None => return Err(dangling("an import of a component")),
                    },
                };
                self.add(item);
            }
            Definition::Module(module) => self.modules.push(Rc::clone(module)),
            Definition::Component(component) => self.components.push(Rc::clone(component)),
            Definition::CoreInstance(instance) => {
                let instance = self.core_instance(instance)?;
                self.core_instances.push(instance);
            }
            Definition::Instance(instance) => {
                let inner = Inner::new(self.instance(instance)?)?;
                self.instances.push(Instance::Inner(Rc::new(inner)));
            }
            Definition::Alias(alias) => self.alias(alias)?,
            Definition::Canonical(function) => self.canonical(function)?,
            Definition::Destructor(function) => {
                let function = self.core_function(*function)?;
                self.graph.root(function);
            }
            Definition::Export(export) => {
                let item = self.item(export.kind, export.index)?;
                self.exports.insert(export.name.name, item.clone());
                self.add(item);
            }
        }
        Ok(())
    }

    fn add(&mut self, item: Item<'a>) {
        match item {
            Item::Function(function) => self.functions.push(function),
            Item::Instance(instance) => self.instances.push(instance),
            Item::Component(component) => self.components.push(component),
            Item::Module(module) => self.modules.push(module),
            Item::Type => {}
        }
    }

    fn item(&self, kind: ComponentExternalKind, index: u32) -> Result<Item<'a>, Unproved> {
        Ok(match kind {
            ComponentExternalKind::Func => Item::Function(self.function(index)?),
            ComponentExternalKind::Instance => {
                Item::Instance(at(&self.instances, index, "the index of an instance")?.clone())
            }
            ComponentExternalKind::Component => {
                Item::Component(Rc::clone(at(&self.components, index, "the index of a component")?))
            }
            ComponentExternalKind::Module => {
                Item::Module(Rc::clone(at(&self.modules, index, "the index of a module")?))
            }
            ComponentExternalKind::Type => Item::Type,
            ComponentExternalKind::Value => return Err(Unproved::Unfollowed { what: "passes values" }),
        })
    }

    fn function(&self, index: u32) -> Result<Rc<Function>, Unproved> {
        at(&self.functions, index, "the index of a function").cloned()
    }

    fn core_function(&self, index: u32) -> Result<CoreFunction, Unproved> {
        at(&self.core_functions, index, "the index of a core function").copied()
    }

    /// Makes a component's instance, and gives what it exports.
    fn instance(&mut self, instance: &ComponentInstance<'a>) -> Result<HashMap<&'a str, Item<'a>>, Unproved> {
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                self.budget.spend(args.len())?;
                let component = Rc::clone(at(&self.components, *component_index, "the index of a component")?);
                let mut given = HashMap::with_capacity(args.len());
                for argument in args {
                    given.insert(argument.name, self.item(argument.kind, argument.index)?);
                }
                Scope::run(&component, Some(&given), self.depth + 1, self.graph, self.budget)
            }
            ComponentInstance::FromExports(exports) => {
                self.budget.spend(exports.len())?;
                let named =
                    |export: &ComponentExport<'a>| Ok((export.name.name, self.item(export.kind, export.index)?));
                exports.iter().map(named).collect()
            }
        }
    }

    fn core_instance(&mut self, instance: &CoreInstanceDefinition<'a>) -> Result<CoreInstance<'a>, Unproved> {
        match instance {
            CoreInstanceDefinition::Instantiate { module_index, args } => {
                let module = Rc::clone(at(&self.modules, *module_index, "the index of a module")?);
                self.module(&module, args)
            }
            CoreInstanceDefinition::FromExports(exports) => {
                self.budget.spend(exports.len())?;
                let named = |export: &Export<'a>| {
                    let item = match Sort::from(export.kind) {
                        Sort::Function => CoreItem::Function(self.core_function(export.index)?),
                        Sort::Table => CoreItem::Table(*at(&self.core_tables, export.index, "the index of a table")?),
                        Sort::Other => CoreItem::Other,
                    };
                    Ok((export.name, item))
                };
                let exports = exports.iter().map(named).collect::<Result<HashMap<_, _>, Unproved>>()?;
                Ok(CoreInstance::Exports(Rc::new(exports)))
            }
        }
    }

    /// Instantiates a core module.
    fn module(&mut self, module: &Rc<Module<'a>>, args: &[InstantiationArg<'a>]) -> Result<CoreInstance<'a>, Unproved> {
        self.budget.spend(args.len() + module.imports.len())?;
        let mut given = HashMap::with_capacity(args.len());
        for argument in args {
            given.insert(
                argument.name,
                at(&self.core_instances, argument.index, "the index of a core instance")?,
            );
        }
        let (mut functions, mut tables) = (Vec::new(), Vec::new());
        for (from, name, sort) in &module.imports {
            let instance = given.get(from).ok_or_else(|| dangling("an import of a core module"))?;
            match (sort, self.core_item(instance, name)?) {
                (Sort::Function, CoreItem::Function(function)) => functions.push(function),
                (Sort::Table, CoreItem::Table(table)) => tables.push(table),
                (Sort::Other, CoreItem::Other) => {}
                (Sort::Function | Sort::Table | Sort::Other, _) => {
                    return Err(dangling("an import of a core module"));
                }
            }
        }
        let instance = self.graph.instantiate(module, functions, tables, self.budget)?;
        Ok(CoreInstance::Module(instance))
    }

    /// What a core instance exports under a name.
    fn core_item(&self, instance: &CoreInstance<'a>, name: &str) -> Result<CoreItem, Unproved> {
        let missing = || dangling("the name of a core export");
        match instance {
            CoreInstance::Exports(exports) => exports.get(name).copied().ok_or_else(missing),
            CoreInstance::Module(instance) => {
                let (sort, index) = self.graph.exported(*instance, name).ok_or_else(missing)?;
                Ok(match sort {
                    Sort::Function => CoreItem::Function(self.graph.function(*instance, index)?),
                    Sort::Table => CoreItem::Table(self.graph.table(*instance, index)?),
                    Sort::Other => CoreItem::Other,
                })
            }
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) -> Result<(), Unproved> {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let item = match (at(&self.instances, *instance_index, "the index of an instance")?, kind) {
                    (Instance::Inner(inner), _) => {
                        let item = inner.exports.get(name);
                        item.ok_or_else(|| dangling("the name of an export"))?.clone()
                    }
                    (Instance::Host(interface), ComponentExternalKind::Func) => {
                        Item::Function(Rc::new(Function::Host(format!("{interface}#{name}"))))
                    }
                    (Instance::Host(_), ComponentExternalKind::Type) => Item::Type,
                    (Instance::Host(_), _) => {
                        return Err(Unproved::Unfollowed {
                            what: "takes more than functions and types from the host",
                        });
                    }
                };
                self.add(item);
            }
            ComponentAlias::CoreInstanceExport {
                instance_index, name, ..
            } => {
                let instance = at(&self.core_instances, *instance_index, "the index of a core instance")?;
                match self.core_item(instance, name)? {
                    CoreItem::Function(function) => self.core_functions.push(function),
                    CoreItem::Table(table) => self.core_tables.push(table),
                    CoreItem::Other => {}
                }
            }
            ComponentAlias::Outer { kind, .. } => match kind {
                ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component => {
                    return Err(Unproved::Unfollowed {
                        what: "takes a module or a component from around it",
                    });
                }
            },
        }
        Ok(())
    }

    fn canonical(&mut self, function: &CanonicalFunction) -> Result<(), Unproved> {
        match function {
            CanonicalFunction::Lift {
                core_func_index,
                options,
                ..
            } => {
                let mut functions = self.options(options)?;
                functions.push(self.core_function(*core_func_index)?);
                self.functions.push(Rc::new(Function::Lifted(functions)));
            }
            CanonicalFunction::Lower { func_index, options } => {
                let function = self.function(*func_index)?;
                let options = self.options(options)?;
                let lowered = self.graph.lower(function, options);
                self.core_functions.push(lowered);
            }
            CanonicalFunction::ResourceNew { .. }
            | CanonicalFunction::ResourceDrop { .. }
            | CanonicalFunction::ResourceRep { .. } => self.core_functions.push(CoreFunction::Builtin),
            _ => {
                return Err(Unproved::Unfollowed {
                    what: "uses threads, streams or futures",
                });
            }
        }
        Ok(())
    }

    /// The core functions that move the values of a lifted or lowered one.
    fn options(&self, options: &[CanonicalOption]) -> Result<Vec<CoreFunction>, Unproved> {
        let mut functions = Vec::new();
        for option in options {
            match option {
                CanonicalOption::Realloc(function)
                | CanonicalOption::PostReturn(function)
                | CanonicalOption::Callback(function) => functions.push(self.core_function(*function)?),
                CanonicalOption::UTF8
                | CanonicalOption::UTF16
                | CanonicalOption::CompactUTF16
                | CanonicalOption::Memory(_)
                | CanonicalOption::Async
                | CanonicalOption::CoreType(_)
                | CanonicalOption::Gc => {}
            }
        }
        Ok(functions)
    }
}
