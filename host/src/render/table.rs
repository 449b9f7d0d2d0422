//! Tables without frames.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table as Drawn};

use super::ui::{Tint, Ui};

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Table {
    drawn: Drawn,
}

impl Table {
    pub(crate) fn new(ui: &Ui, head: &[&str]) -> Self {
        let mut drawn = Drawn::new();
        drawn.load_style(NOTHING);
        drawn.set_content_arrangement(ContentArrangement::Disabled);
        drawn.set_header(head.iter().map(|name| ui.tint(Tint::Faint, name)));
        Self { drawn }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.drawn.add_row(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.drawn.lines() {
            // A frame of nothing leaves a space at both ends.
            writeln!(f, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())?;
        }
        Ok(())
    }
}
