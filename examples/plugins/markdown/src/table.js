const shown = (value) => (value === null || value === undefined ? "" : String(value));

// A bar ends a cell, and a line end the row.
const escaped = (value) => shown(value).replaceAll("\\", "\\\\").replaceAll("|", "\\|").replace(/\r?\n/g, "<br>");

const padded = (text, width, toRight) => {
  const blanks = " ".repeat(Math.max(0, width - [...text].length));
  return toRight ? blanks + text : text + blanks;
};

/** A table of Markdown that is one for the eye as well. */
export function tableOf(rows, columns) {
  const cells = rows.map((row) => columns.map((column) => escaped(row[column])));
  const heads = columns.map(escaped);
  const toRight = columns.map((column) => rows.every((row) => typeof (row[column] ?? 0) === "number"));
  const widths = heads.map((head, at) => Math.max(3, ...[head, ...cells.map((row) => row[at])].map((text) => [...text].length)));
  const line = (texts) => `| ${texts.map((text, at) => padded(text, widths[at], toRight[at])).join(" | ")} |\n`;
  const rule = widths.map((width, at) => (toRight[at] ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return line(heads) + `| ${rule.join(" | ")} |\n` + cells.map(line).join("");
}
