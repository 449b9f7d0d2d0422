//! A workflow's tasks and what they wait for, drawn. The layouts are those of crates.

use ascii_dag::render::engine::BoxedNode;
use ascii_dag::{Graph, RenderOptions};
use autokestra_model::{NeedOn, Workflow};
use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};

/// Most tasks of a graph that is drawn as text or as a picture: what is larger is nothing that anyone could look at.
const DRAWN_TASKS_MAX: usize = 500;

/// One arrow: from a task to one that waits for it.
struct Arrow {
    from: usize,
    to: usize,
    kind: Kind,
}

/// Which ends of a task the next one waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Success.
    Success,
    /// Any, as it says.
    Always,
    /// Any, as it is of `finally`.
    Finally,
}

fn arrows(workflow: &Workflow) -> impl Iterator<Item = Arrow> {
    let written = workflow.tasks.iter().enumerate().flat_map(|(to, task)| {
        task.needs.iter().map(move |need| Arrow {
            from: need.index,
            to,
            kind: match need.on {
                NeedOn::Success => Kind::Success,
                NeedOn::Always => Kind::Always,
            },
        })
    });
    written.chain(to_finally(workflow))
}

/// What comes of `finally` comes last: behind the tasks that none of the others waits for.
fn to_finally(workflow: &Workflow) -> impl Iterator<Item = Arrow> {
    let main = workflow.main_tasks;
    let mut is_last = vec![true; main];
    let needs = workflow.tasks.iter().take(main).flat_map(|task| &task.needs);
    needs.for_each(|need| is_last[need.index] = false);
    let last: Vec<usize> = (0..main).filter(|position| is_last[*position]).collect();
    let finally = workflow.tasks.iter().enumerate().skip(main);
    let first = finally.filter(|(_, task)| task.needs.is_empty());
    first.flat_map(move |(to, _)| {
        let arrow = move |from| Arrow {
            from,
            to,
            kind: Kind::Finally,
        };
        last.clone().into_iter().map(arrow)
    })
}

/// What stands in a task's box.
fn label(workflow: &Workflow, position: usize) -> String {
    let Some(task) = workflow.tasks.get(position) else {
        return String::new();
    };
    let mut marks = Vec::new();
    if task.for_each.is_some() {
        marks.push("each");
    }
    if task.when.is_some() {
        marks.push("when");
    }
    if position >= workflow.main_tasks {
        marks.push("finally");
    }
    let marks = if marks.is_empty() {
        String::new()
    } else {
        format!(" ({})", marks.join(", "))
    };
    format!("{}{marks}", task.id)
}

/// Boxes and lines. A graph that is too large for it is a list of its arrows.
pub(crate) fn text(workflow: &Workflow) -> String {
    let labels: Vec<String> = (0..workflow.tasks.len())
        .map(|position| label(workflow, position))
        .collect();
    if labels.len() > DRAWN_TASKS_MAX {
        let name = |position: usize| labels.get(position).map(String::as_str).unwrap_or_default();
        return arrows(workflow)
            .map(|arrow| format!("{} -> {}\n", name(arrow.from), name(arrow.to)))
            .collect();
    }
    let mut graph = Graph::new();
    for (position, label) in labels.iter().enumerate() {
        graph.add_node(position, BoxedNode(label));
    }
    for arrow in arrows(workflow) {
        graph.add_edge(arrow.from, arrow.to, (arrow.kind == Kind::Always).then_some("always"));
    }
    let drawn = graph.compute_layout().render_string(&RenderOptions::plain());
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned() + "\n"
}

/// A flowchart. Ids of tasks are letters, digits, `_` and `-`, so they need no escaping; positions are used, since `end` is a word.
pub(crate) fn mermaid(workflow: &Workflow) -> String {
    let mut drawn = "flowchart TD\n".to_owned();
    for position in 0..workflow.tasks.len() {
        drawn.extend([format!("    t{position}[\"{}\"]\n", label(workflow, position))]);
    }
    for Arrow { from, to, kind } in arrows(workflow) {
        let line = match kind {
            Kind::Success => "-->",
            Kind::Always => "-. always .->",
            Kind::Finally => "-.->",
        };
        drawn.extend([format!("    t{from} {line} t{to}\n")]);
    }
    drawn
}

/// Graphviz.
pub(crate) fn dot(workflow: &Workflow) -> String {
    let mut drawn = format!("digraph \"{}\" {{\n    node [shape=box];\n", workflow.id);
    for position in 0..workflow.tasks.len() {
        drawn.extend([format!("    t{position} [label=\"{}\"];\n", label(workflow, position))]);
    }
    for Arrow { from, to, kind } in arrows(workflow) {
        let style = match kind {
            Kind::Success => "",
            Kind::Always => " [style=dashed, label=\"always\"]",
            Kind::Finally => " [style=dashed]",
        };
        drawn.extend([format!("    t{from} -> t{to}{style};\n")]);
    }
    drawn + "}\n"
}

/// A picture.
///
/// # Errors
/// Says why there is none.
pub(crate) fn svg(workflow: &Workflow) -> Result<String, String> {
    if workflow.tasks.len() > DRAWN_TASKS_MAX {
        return Err(format!(
            "{} tasks are too many for a picture, {DRAWN_TASKS_MAX} are the most; use --format dot",
            workflow.tasks.len()
        ));
    }
    let text = dot(workflow);
    let parsed = DotParser::new(&text).process()?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&parsed);
    let mut writer = SVGWriter::new();
    builder.get().do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}
