// `acme/markdown`: tables, and names for headings. The engine is QuickJS, which knows Unicode and is built in seconds.

import { action, log, plugin, s, TaskError } from "autokestra-sdk";

import { slugOf } from "./slug.js";
import { tableOf } from "./table.js";

const cell = s.union(s.string(), s.number(), s.boolean(), s.null());

export const table = action(
  {
    description: "Writes rows as a table of Markdown. Columns of numbers are set to the right.",
    input: s.object({
      rows: s.array(s.record(cell)).min(1).describe("The rows: objects whose values are plain."),
      columns: s.array(s.string()).min(1).optional().describe("The columns, in order; all of the first row unless they are given."),
    }),
    output: s.object({
      text: s.string().describe("The table, with a line end after each row."),
      rows: s.integer().describe("How many rows it has."),
    }),
    idempotent: true,
  },
  ({ rows, columns = Object.keys(rows[0]) }) => {
    const unknown = columns.find((column) => !rows.some((row) => Object.hasOwn(row, column)));
    if (unknown !== undefined) {
      throw new TaskError("unknown_column", `no row has a column \`${unknown}\``, { details: { columns: Object.keys(rows[0]) } });
    }
    log.info("writing a table", { rows: rows.length, columns });
    return { text: tableOf(rows, columns), rows: rows.length };
  },
);

export const slug = action(
  {
    description: "Makes a name for a URL or a heading: `Été à Zürich` becomes `ete-a-zurich`.",
    input: s.object({
      text: s.string().min(1).describe("A title."),
      length: s.integer().min(1).max(200).default(80).describe("The most characters; words are kept whole."),
    }),
    output: s.string().describe("The name."),
    idempotent: true,
  },
  ({ text, length }) => {
    const made = slugOf(text, length);
    if (!made) {
      throw new TaskError("no_letters", `\`${text}\` has no letter and no digit to make a name of`);
    }
    return made;
  },
);

export default plugin({ name: "acme/markdown", description: "Makes Markdown of data.", actions: { table, slug } });
