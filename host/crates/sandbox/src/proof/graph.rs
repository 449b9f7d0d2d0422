//! Instances, tables and functions as they are once a component is instantiated, and the walk through them.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::budget::Budget;
use super::error::Unproved;
use super::module::{Module, Segment, Sort};

/// A function of a core module, or what stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoreFunction {
    /// The function `body` that the module of `instance` defines.
    Defined { instance: usize, body: usize },
    /// A component's function, lowered.
    Lowered(usize),
    /// One that the component model makes, and that calls nothing.
    Builtin,
}

/// A function of a component.
#[derive(Debug)]
pub(super) enum Function {
    /// The host's, as `interface#function`.
    Host(String),
    /// Core functions, lifted: the function itself, and those that move its values.
    Lifted(Vec<CoreFunction>),
}

/// An instance of a core module.
#[derive(Debug)]
struct CoreInstance<'a> {
    module: Rc<Module<'a>>,
    /// The functions that it imports.
    functions: Vec<CoreFunction>,
    /// All its tables, those that it imports first.
    tables: Vec<usize>,
}

/// What may stand in a table.
#[derive(Debug, Default)]
struct Table {
    /// Put there before anything runs: the first slot where it is known, and functions.
    segments: Vec<(Option<u32>, Vec<Option<CoreFunction>>)>,
    /// Whether any function that is held as a reference anywhere may stand in it.
    open: bool,
}

/// What was instantiated.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    instances: Vec<CoreInstance<'a>>,
    tables: Vec<Table>,
    /// Lowered functions, each with the core functions that move its values.
    lowered: Vec<(Rc<Function>, Vec<CoreFunction>)>,
    /// What runs, or may be called from outside.
    roots: Vec<CoreFunction>,
    /// Functions of the host that a caller from outside is given as they are.
    reexported: Vec<String>,
}

impl<'a> Graph<'a> {
    /// Adds an instance of `module`, given the functions and tables that it imports, each in order.
    pub(super) fn instantiate(
        &mut self,
        module: &Rc<Module<'a>>,
        functions: Vec<CoreFunction>,
        imported_tables: Vec<usize>,
        budget: &mut Budget,
    ) -> Result<usize, Unproved> {
        budget.spend(1 + functions.len() + module.bodies.len() + module.tables.len())?;
        let instance = self.instances.len();
        let mut tables = imported_tables;
        for filled in &module.tables {
            tables.push(self.tables.len());
            self.tables.push(Table {
                open: *filled,
                ..Table::default()
            });
        }
        self.instances.push(CoreInstance {
            module: Rc::clone(module),
            functions,
            tables,
        });
        for table in &module.written {
            let table = self.table(instance, *table)?;
            self.tables[table].open = true;
        }
        for segment in &module.segments {
            budget.spend(segment.functions.len())?;
            self.fill(instance, segment)?;
        }
        if let Some(start) = module.start {
            let start = self.function(instance, start)?;
            self.roots.push(start);
        }
        Ok(instance)
    }

    fn fill(&mut self, instance: usize, segment: &Segment) -> Result<(), Unproved> {
        let Some((table, first)) = segment.active else {
            return Ok(());
        };
        let table = self.table(instance, table)?;
        let function = |index: &Option<u32>| index.map(|index| self.function(instance, index)).transpose();
        let functions = segment.functions.iter().map(function).collect::<Result<Vec<_>, _>>()?;
        self.tables[table].open |= segment.opaque;
        self.tables[table].segments.push((first, functions));
        Ok(())
    }

    /// Adds a component's function as a core function.
    pub(super) fn lower(&mut self, function: Rc<Function>, options: Vec<CoreFunction>) -> CoreFunction {
        self.lowered.push((function, options));
        CoreFunction::Lowered(self.lowered.len() - 1)
    }

    /// Lets `function` be called from outside.
    pub(super) fn root(&mut self, function: CoreFunction) {
        self.roots.push(function);
    }

    /// Lets a component's function be called from outside.
    pub(super) fn export(&mut self, function: &Function) {
        match function {
            Function::Host(name) => self.reexported.push(name.clone()),
            Function::Lifted(functions) => self.roots.extend(functions),
        }
    }

    /// What an instance exports under a name.
    pub(super) fn exported(&self, instance: usize, name: &str) -> Option<(Sort, u32)> {
        self.instances[instance].module.exports.get(name).copied()
    }

    /// The function of an index in an instance.
    pub(super) fn function(&self, instance: usize, index: u32) -> Result<CoreFunction, Unproved> {
        let found = &self.instances[instance];
        let index = index as usize;
        if let Some(imported) = found.functions.get(index) {
            return Ok(*imported);
        }
        let body = index - found.functions.len();
        if body < found.module.bodies.len() {
            return Ok(CoreFunction::Defined { instance, body });
        }
        Err(Unproved::Dangling {
            what: "the index of a core function",
        })
    }

    /// The table of an index in an instance.
    pub(super) fn table(&self, instance: usize, index: u32) -> Result<usize, Unproved> {
        let table = self.instances[instance].tables.get(index as usize).copied();
        table.ok_or(Unproved::Dangling {
            what: "the index of a table",
        })
    }

    /// The host's functions that can be reached.
    pub(super) fn reach(&self, budget: &mut Budget) -> Result<BTreeSet<String>, Unproved> {
        let mut walk = Walk {
            graph: self,
            budget,
            open: Vec::new(),
            bodies: self
                .instances
                .iter()
                .map(|instance| vec![false; instance.module.bodies.len()])
                .collect(),
            lowered: vec![false; self.lowered.len()],
            tables: vec![false; self.tables.len()],
            references: false,
            found: self.reexported.iter().cloned().collect(),
        };
        self.roots.iter().for_each(|root| walk.meet(*root));
        while let Some(function) = walk.open.pop() {
            match function {
                CoreFunction::Defined { instance, body } => walk.body(instance, body)?,
                CoreFunction::Lowered(index) => walk.lowered(index)?,
                CoreFunction::Builtin => {}
            }
        }
        Ok(walk.found)
    }
}

/// A walk from the roots.
struct Walk<'w, 'a> {
    graph: &'w Graph<'a>,
    budget: &'w mut Budget,
    /// Met, and not followed yet.
    open: Vec<CoreFunction>,
    bodies: Vec<Vec<bool>>,
    lowered: Vec<bool>,
    /// Tables of which any slot was called.
    tables: Vec<bool>,
    /// Whether any reference was called.
    references: bool,
    found: BTreeSet<String>,
}

impl Walk<'_, '_> {
    /// Follows `function` later, unless it was met before.
    fn meet(&mut self, function: CoreFunction) {
        let seen = match function {
            CoreFunction::Defined { instance, body } => &mut self.bodies[instance][body],
            CoreFunction::Lowered(index) => &mut self.lowered[index],
            CoreFunction::Builtin => return,
        };
        if !std::mem::replace(seen, true) {
            self.open.push(function);
        }
    }

    fn lowered(&mut self, index: usize) -> Result<(), Unproved> {
        let (function, options) = &self.graph.lowered[index];
        self.budget.spend(1 + options.len())?;
        options.iter().for_each(|option| self.meet(*option));
        match function.as_ref() {
            Function::Host(name) => {
                self.found.insert(name.clone());
            }
            Function::Lifted(functions) => functions.iter().for_each(|function| self.meet(*function)),
        }
        Ok(())
    }

    fn body(&mut self, instance: usize, body: usize) -> Result<(), Unproved> {
        let graph = self.graph;
        let body = &graph.instances[instance].module.bodies[body];
        self.budget.spend(body.weight())?;
        for index in &body.calls {
            self.meet(graph.function(instance, *index)?);
        }
        for (table, slot) in &body.slots {
            self.slot(graph.table(instance, *table)?, *slot)?;
        }
        for table in &body.tables {
            self.table(graph.table(instance, *table)?)?;
        }
        if body.references {
            self.references()?;
        }
        Ok(())
    }

    /// Follows one slot of a table.
    fn slot(&mut self, table: usize, slot: u32) -> Result<(), Unproved> {
        let graph = self.graph;
        let Table { segments, open } = &graph.tables[table];
        if *open || segments.iter().any(|(first, _)| first.is_none()) {
            return self.table(table);
        }
        self.budget.spend(segments.len())?;
        for (first, functions) in segments {
            let offset = first.and_then(|first| slot.checked_sub(first));
            // An empty slot traps.
            if let Some(Some(function)) = offset.and_then(|offset| functions.get(offset as usize)) {
                self.meet(*function);
            }
        }
        Ok(())
    }

    /// Follows all that may stand in a table.
    fn table(&mut self, table: usize) -> Result<(), Unproved> {
        if std::mem::replace(&mut self.tables[table], true) {
            return Ok(());
        }
        let graph = self.graph;
        let Table { segments, open } = &graph.tables[table];
        for (_, functions) in segments {
            self.budget.spend(1 + functions.len())?;
            functions.iter().flatten().for_each(|function| self.meet(*function));
        }
        if *open { self.references() } else { Ok(()) }
    }

    /// Follows every function that is held as a reference anywhere.
    fn references(&mut self) -> Result<(), Unproved> {
        if std::mem::replace(&mut self.references, true) {
            return Ok(());
        }
        let graph = self.graph;
        for (index, instance) in graph.instances.iter().enumerate() {
            let segments = instance.module.segments.iter();
            let held = segments.flat_map(|segment| segment.functions.iter().flatten());
            for function in held.chain(&instance.module.references) {
                self.budget.spend(1)?;
                self.meet(graph.function(index, *function)?);
            }
        }
        Ok(())
    }
}
