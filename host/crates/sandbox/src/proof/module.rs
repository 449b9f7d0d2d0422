//! A core module: which of its functions call which, and what stands in its tables.

use std::collections::{BTreeSet, HashMap};

use wasmparser::{
    ConstExpr, Element, ElementItems, ElementKind, ExternalKind, FunctionBody, Operator, Payload, TableInit, TypeRef,
};

use super::budget::Budget;
use super::error::Unproved;

/// What a module imports or exports, as far as calls go through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Function,
    Table,
    /// Memories, globals and tags: no call goes through them.
    Other,
}

impl From<ExternalKind> for Sort {
    fn from(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Self::Function,
            ExternalKind::Table => Self::Table,
            ExternalKind::Memory | ExternalKind::Global | ExternalKind::Tag => Self::Other,
        }
    }
}

/// The calls of a core module, read once however often it is instantiated.
#[derive(Debug, Default)]
pub(super) struct Module<'a> {
    /// Module, name and sort of each import, in order.
    pub(super) imports: Vec<(&'a str, &'a str, Sort)>,
    pub(super) exports: HashMap<&'a str, (Sort, u32)>,
    /// The functions that it defines.
    pub(super) bodies: Vec<Body>,
    /// Of each table that it defines, whether it begins with functions that no segment names.
    pub(super) tables: Vec<bool>,
    pub(super) segments: Vec<Segment>,
    pub(super) start: Option<u32>,
    /// Functions that its code or a global holds a reference to.
    pub(super) references: BTreeSet<u32>,
    /// Tables that its code writes to.
    pub(super) written: BTreeSet<u32>,
}

/// What one function calls.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Functions, by name.
    pub(super) calls: Vec<u32>,
    /// Slots of tables, where the slot is a constant.
    pub(super) slots: Vec<(u32, u32)>,
    /// Tables, where any slot may be meant.
    pub(super) tables: Vec<u32>,
    /// Whether it calls references that it was given.
    pub(super) references: bool,
}

/// Functions that stand in a module for its tables.
#[derive(Debug)]
pub(super) struct Segment {
    /// The table that they are put into before anything runs, and the first slot where it is a constant.
    pub(super) active: Option<(u32, Option<u32>)>,
    /// Slot by slot; none: an empty one.
    pub(super) functions: Vec<Option<u32>>,
    /// Whether a slot is given what no expression names: a global's value.
    pub(super) opaque: bool,
}

impl Body {
    /// How much work it is to follow it.
    pub(super) fn weight(&self) -> usize {
        1 + self.calls.len() + self.slots.len() + self.tables.len()
    }
}

impl<'a> Module<'a> {
    /// Takes the next part of the module.
    pub(super) fn take(&mut self, payload: Payload<'a>, budget: &mut Budget) -> Result<(), Unproved> {
        match payload {
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    budget.spend(1)?;
                    let import = import?;
                    let sort = match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => Sort::Function,
                        TypeRef::Table(_) => Sort::Table,
                        TypeRef::Memory(_) | TypeRef::Global(_) | TypeRef::Tag(_) => Sort::Other,
                    };
                    self.imports.push((import.module, import.name, sort));
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    budget.spend(1)?;
                    let filled = match table?.init {
                        TableInit::RefNull => false,
                        TableInit::Expr(init) => self.constant(&init)? != Constant::Null,
                    };
                    self.tables.push(filled);
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    self.constant(&global?.init_expr)?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    budget.spend(1)?;
                    let export = export?;
                    self.exports.insert(export.name, (export.kind.into(), export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader {
                    let element = element?;
                    budget.spend(match &element.items {
                        ElementItems::Functions(items) => 1 + items.count() as usize,
                        ElementItems::Expressions(_, items) => 1 + items.count() as usize,
                    })?;
                    let segment = self.segment(element)?;
                    self.segments.push(segment);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let body = self.body(&body)?;
                budget.spend(body.weight())?;
                self.bodies.push(body);
            }
            Payload::UnknownSection { .. } => {
                return Err(Unproved::Unfollowed {
                    what: "has a section that is not known",
                });
            }
            // Types, memories, data and names call nothing.
            _ => {}
        }
        Ok(())
    }

    fn segment(&mut self, element: Element<'a>) -> Result<Segment, Unproved> {
        let active = match element.kind {
            ElementKind::Active {
                table_index,
                offset_expr,
            } => {
                let first = match self.constant(&offset_expr)? {
                    Constant::Number(first) => Some(first),
                    Constant::Null | Constant::Function(_) | Constant::Other => None,
                };
                Some((table_index.unwrap_or(0), first))
            }
            ElementKind::Passive | ElementKind::Declared => None,
        };
        let mut segment = Segment {
            active,
            functions: Vec::new(),
            opaque: false,
        };
        match element.items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    segment.functions.push(Some(function?));
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    segment.functions.push(match self.constant(&expression?)? {
                        Constant::Function(function) => Some(function),
                        Constant::Null => None,
                        Constant::Number(_) | Constant::Other => {
                            segment.opaque = true;
                            None
                        }
                    });
                }
            }
        }
        Ok(segment)
    }

    /// The value of a constant expression; functions in it become references.
    fn constant(&mut self, expression: &ConstExpr<'a>) -> Result<Constant, Unproved> {
        let mut value = None;
        let mut operators = expression.get_operators_reader();
        while !operators.eof() {
            let found = match operators.read()? {
                Operator::End => continue,
                Operator::I32Const { value } => Constant::Number(value.cast_unsigned()),
                Operator::RefNull { .. } => Constant::Null,
                Operator::RefFunc { function_index } => {
                    self.references.insert(function_index);
                    Constant::Function(function_index)
                }
                _ => Constant::Other,
            };
            // Of several operators only a computation is made.
            value = Some(if value.is_none() { found } else { Constant::Other });
        }
        Ok(value.unwrap_or(Constant::Other))
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<Body, Unproved> {
        let mut found = Body::default();
        let mut operators = body.get_operators_reader()?;
        // What the operator before put on top of the stack, if that is a constant: the slot that `call_indirect` takes.
        let mut top = None;
        while !operators.eof() {
            let slot = top.take();
            match operators.read()? {
                Operator::I32Const { value } => top = Some(value.cast_unsigned()),
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    found.calls.push(function_index);
                }
                Operator::CallIndirect { table_index, .. } | Operator::ReturnCallIndirect { table_index, .. } => {
                    match slot {
                        Some(slot) => found.slots.push((table_index, slot)),
                        None => found.tables.push(table_index),
                    }
                }
                Operator::CallRef { .. } | Operator::ReturnCallRef { .. } => found.references = true,
                Operator::RefFunc { function_index } => {
                    self.references.insert(function_index);
                }
                Operator::TableSet { table }
                | Operator::TableFill { table }
                | Operator::TableGrow { table }
                | Operator::TableInit { table, .. }
                | Operator::TableCopy { dst_table: table, .. }
                | Operator::TableAtomicSet { table_index: table, .. }
                | Operator::TableAtomicRmwXchg { table_index: table, .. }
                | Operator::TableAtomicRmwCmpxchg { table_index: table, .. } => {
                    self.written.insert(table);
                }
                Operator::ContNew { .. }
                | Operator::ContBind { .. }
                | Operator::Suspend { .. }
                | Operator::Resume { .. }
                | Operator::ResumeThrow { .. }
                | Operator::ResumeThrowRef { .. }
                | Operator::Switch { .. } => {
                    return Err(Unproved::Unfollowed {
                        what: "switches between stacks",
                    });
                }
                // No other operator calls, holds a function, or writes to a table.
                _ => {}
            }
        }
        found.calls.sort_unstable();
        found.calls.dedup();
        found.slots.sort_unstable();
        found.slots.dedup();
        found.tables.sort_unstable();
        found.tables.dedup();
        Ok(found)
    }
}

/// What a constant expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Constant {
    Number(u32),
    Function(u32),
    Null,
    Other,
}
