//! `core/csv`: reads and writes CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _};

use autokestra_sdk::prelude::*;
use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use serde_json::{Map, Number};

/// Bytes that are held of a file at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// The type of a column.
#[derive(Input, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Integer,
    Number,
    Boolean,
    /// Any JSON.
    Json,
    /// A number or a boolean where it looks like one, null where it is empty, else text.
    Auto,
}

/// The types of columns.
#[derive(Input)]
#[serde(untagged)]
enum Types {
    /// One for all.
    All(Type),
    /// One for each that is named; the others are strings.
    Each(BTreeMap<String, Type>),
}

/// What is read.
#[derive(Input)]
#[serde(rename_all = "camelCase")]
struct Parse {
    /// CSV text. Either this or `path`.
    text: Option<String>,
    /// A file that the workflow grants. Either this or `text`.
    path: Option<String>,
    /// One character, default `,`; `\t` for tabs.
    delimiter: Option<String>,
    /// The first line names the columns; without, rows are lists. Default true.
    #[serde(default = "yes")]
    header: bool,
    /// The types of columns by name (without a header by number, from 0), or one type for all: string (default), integer, number, boolean, json, auto.
    types: Option<Types>,
    /// Rows to leave out at the beginning. Default 0.
    #[serde(default)]
    skip: u64,
    /// The most rows to read. Default all.
    limit: Option<u64>,
    /// Write the rows to this file, one JSON value a line, not into the output: for files of any size, in constant memory.
    save_to: Option<String>,
}

fn yes() -> bool {
    true
}

/// The rows, or where they were saved.
#[derive(Output)]
#[serde(untagged)]
enum Parsed {
    Rows(Vec<Value>),
    File(Written),
}

/// Where rows go.
enum Target {
    Rows(Vec<Value>),
    /// A file of JSON Lines, and how many rows it has.
    Lines(BufWriter<File>, String, usize),
}

impl Target {
    fn take(&mut self, row: Value) -> Result<(), TaskError> {
        match self {
            Self::Rows(rows) => rows.push(row),
            Self::Lines(file, path, count) => {
                *count += 1;
                writeln!(file, "{row}").map_err(|error| TaskError::from(error).context(&*path))?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Parsed, TaskError> {
        match self {
            Self::Rows(rows) => Ok(Parsed::Rows(rows)),
            Self::Lines(mut file, path, rows) => {
                file.flush().map_err(|error| TaskError::from(error).context(&path))?;
                Ok(Parsed::File(Written { path, rows }))
            }
        }
    }
}

/// Reads CSV into rows.
///
/// A row is an object by the names of the columns; an empty field of a typed column is null. With `saveTo` the rows go to a file of JSON
/// Lines, one by one, so that a file of any size takes no more memory than its longest row.
#[action(idempotent, title = "Read CSV")]
fn parse(input: Parse) -> Result<Parsed, TaskError> {
    let source: Box<dyn Read> = match (&input.text, &input.path) {
        (Some(text), None) => Box::new(text.as_bytes()),
        (None, Some(path)) => Box::new(open(path)?),
        _ => return Err(TaskError::new("invalid_input", "give either `text` or `path`")),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(input.delimiter.as_deref())?)
        .has_headers(input.header)
        .from_reader(source);
    let header = input
        .header
        .then(|| reader.headers().cloned())
        .transpose()
        .map_err(wrong)?;
    let names = match &header {
        Some(header) => names(header)?,
        None => Vec::new(),
    };
    let mut target = match &input.save_to {
        Some(path) => Target::Lines(create(path)?, path.clone(), 0),
        None => Target::Rows(Vec::new()),
    };
    let mut left = input.limit;
    let mut record = StringRecord::new();
    let mut number = 0;
    while left != Some(0) && reader.read_record(&mut record).map_err(wrong)? {
        number += 1;
        if number > input.skip {
            left = left.map(|left| left - 1);
            target.take(row(&record, &names, &input)?)?;
        }
    }
    target.finish()
}

/// One record by its columns' names and types.
fn row(record: &StringRecord, names: &[String], input: &Parse) -> Result<Value, TaskError> {
    let line = record.position().map(csv::Position::line).unwrap_or_default();
    let value = |index: usize, text: &str| {
        let column = names.get(index).cloned().unwrap_or_else(|| index.to_string());
        typed(input.types.as_ref(), &column, text).map_err(|expected| {
            let text = format!("line {line}, column `{column}`: `{text}` is no {expected}");
            TaskError::new("invalid_csv", text).details(json!({ "line": line, "column": column }))
        })
    };
    let values = record.iter().enumerate().map(|(index, text)| value(index, text));
    if input.header {
        let values = values.collect::<Result<Vec<Value>, TaskError>>()?;
        Ok(Value::Object(names.iter().cloned().zip(values).collect::<Map<_, _>>()))
    } else {
        Ok(Value::Array(values.collect::<Result<_, _>>()?))
    }
}

fn open(path: &str) -> Result<BufReader<File>, TaskError> {
    let file = File::open(path).map_err(|error| TaskError::from(error).context(path))?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

fn create(path: &str) -> Result<BufWriter<File>, TaskError> {
    let file = File::create(path).map_err(|error| TaskError::from(error).context(path))?;
    Ok(BufWriter::with_capacity(BUFFER_BYTES, file))
}

/// The names of the columns, each once.
fn names(header: &StringRecord) -> Result<Vec<String>, TaskError> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (index, name) in header.iter().enumerate() {
        let name = if index == 0 {
            name.trim_start_matches('\u{feff}')
        } else {
            name
        };
        if !seen.insert(name) {
            let text = format!("the column `{name}` stands twice; read it with `header: false`");
            return Err(TaskError::new("invalid_csv", text));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// A field by its column's type, or the type that it is not of.
fn typed(types: Option<&Types>, column: &str, text: &str) -> Result<Value, &'static str> {
    let kind = match types {
        None => Type::String,
        Some(Types::All(kind)) => *kind,
        Some(Types::Each(kinds)) => kinds.get(column).copied().unwrap_or(Type::String),
    };
    if matches!(kind, Type::String) {
        return Ok(text.into());
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let number = |text: &str| text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number);
    let integer = |text: &str| text.parse::<i64>().ok().map(Value::from);
    let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true.into()),
        "false" | "no" | "0" => Some(Value::from(false)),
        _ => None,
    };
    match kind {
        Type::String => Ok(text.into()),
        Type::Integer => integer(text).ok_or("integer"),
        Type::Number => integer(text).or_else(|| number(text)).ok_or("number"),
        Type::Boolean => boolean(text).ok_or("boolean"),
        Type::Json => serde_json::from_str(text).map_err(|_| "JSON"),
        Type::Auto => Ok(match text {
            "true" => true.into(),
            "false" => false.into(),
            // `007` and `+1` are codes and prefixes, not numbers.
            _ if text.starts_with('+') || (text.len() > 1 && text.starts_with('0') && !text.starts_with("0.")) => {
                text.into()
            }
            _ => integer(text).or_else(|| number(text)).unwrap_or_else(|| text.into()),
        }),
    }
}

fn delimiter(given: Option<&str>) -> Result<u8, TaskError> {
    match given {
        None => Ok(b','),
        Some("\\t") => Ok(b'\t'),
        Some(text) if text.len() == 1 => Ok(text.as_bytes()[0]),
        Some(text) => Err(TaskError::new(
            "invalid_input",
            format!("`delimiter` is one ASCII character, not `{text}`"),
        )),
    }
}

fn wrong(error: csv::Error) -> TaskError {
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos
                .as_ref()
                .map(|pos| format!("line {}: ", pos.line()))
                .unwrap_or_default();
            format!("{line}{len} fields, where the others have {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos
                .as_ref()
                .map(|pos| format!("line {}: ", pos.line()))
                .unwrap_or_default();
            format!("{line}it is no UTF-8")
        }
        _ => error.to_string(),
    };
    TaskError::new("invalid_csv", message)
}

/// What is written.
#[derive(Input)]
struct Write {
    /// Rows: objects, or lists. Either this or `from`.
    rows: Option<Vec<Value>>,
    /// A file of rows, one JSON value a line, as `saveTo` of `core/csv.parse` writes it: for files of any size, in constant memory. Needs `path`.
    from: Option<String>,
    /// A file that the workflow grants; without one the text is given back.
    path: Option<String>,
    /// The columns, in order. Default: all keys of the rows, in the order in which they come; with `from` those of the first row, and others are an error. Rows that are lists have no header without it.
    columns: Option<Vec<String>>,
    /// One character, default `,`; `\t` for tabs.
    delimiter: Option<String>,
}

/// What was written.
#[derive(Output)]
struct Written {
    /// The file.
    path: String,
    /// How many rows it has, without the header.
    rows: usize,
}

/// Text, or where it was written.
#[derive(Output)]
#[serde(untagged)]
enum Outcome {
    Text(String),
    File(Written),
}

/// Writes rows as CSV: to a file, or as text.
#[action(idempotent, title = "Write CSV")]
fn write(input: Write) -> Result<Outcome, TaskError> {
    let delimiter = delimiter(input.delimiter.as_deref())?;
    let rows = match (input.rows, input.from) {
        (Some(rows), None) => rows,
        (None, Some(from)) => {
            let Some(path) = input.path else {
                return Err(TaskError::new("invalid_input", "`from` needs a `path` to write to"));
            };
            return write_lines(&from, path, input.columns, delimiter);
        }
        _ => return Err(TaskError::new("invalid_input", "give either `rows` or `from`")),
    };
    let columns = input.columns.or_else(|| columns(&rows));
    let mut writer = WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    if let Some(columns) = &columns {
        writer.write_record(columns).map_err(wrong)?;
    }
    for (index, row) in rows.iter().enumerate() {
        let fields = fields(row, columns.as_deref(), index)?;
        writer
            .write_record(&fields)
            .map_err(|error| wrong(error).context(format!("row {index}")))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| TaskError::from(error.to_string()))?;
    match input.path {
        None => Ok(Outcome::Text(String::from_utf8(bytes)?)),
        Some(path) => {
            std::fs::write(&path, &bytes).map_err(|error| TaskError::from(error).context(&path))?;
            let rows = rows.len();
            Ok(Outcome::File(Written { path, rows }))
        }
    }
}

/// Writes a file of JSON Lines as CSV, row by row.
fn write_lines(from: &str, path: String, columns: Option<Vec<String>>, delimiter: u8) -> Result<Outcome, TaskError> {
    let chosen = columns.is_some();
    let (mut columns, mut rows) = (columns, 0);
    let mut writer = WriterBuilder::new().delimiter(delimiter).from_writer(create(&path)?);
    for line in open(from)?.lines() {
        let line = line.map_err(|error| TaskError::from(error).context(from))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: Value = serde_json::from_str(&line)
            .map_err(|error| TaskError::new("invalid_json", format!("{from}, row {rows}: {error}")))?;
        if rows == 0 {
            columns = columns.or_else(|| self::columns(std::slice::from_ref(&row)));
            if let Some(columns) = &columns {
                writer.write_record(columns).map_err(wrong)?;
            }
        }
        if let (Some(columns), Some(entries), false) = (&columns, row.as_object(), chosen)
            && let Some(key) = entries.keys().find(|key| !columns.contains(key))
        {
            let text = format!("{from}, row {rows}: `{key}` is no column of the first row; name all by `columns`");
            return Err(TaskError::new("unknown_column", text));
        }
        let fields = fields(&row, columns.as_deref(), rows)?;
        writer
            .write_record(&fields)
            .map_err(|error| wrong(error).context(format!("row {rows}")))?;
        rows += 1;
    }
    writer.flush().map_err(|error| TaskError::from(error).context(&path))?;
    Ok(Outcome::File(Written { path, rows }))
}

/// The fields of a row.
fn fields(row: &Value, columns: Option<&[String]>, index: usize) -> Result<Vec<String>, TaskError> {
    match (row, columns) {
        (Value::Object(entries), Some(columns)) => {
            Ok(columns.iter().map(|column| field(entries.get(column))).collect())
        }
        (Value::Array(items), _) => Ok(items.iter().map(|item| field(Some(item))).collect()),
        _ => {
            let text = format!("row {index} is neither an object nor a list");
            Err(TaskError::new("invalid_input", text).details(json!({ "pointer": format!("/rows/{index}") })))
        }
    }
}

/// All keys of rows that are objects; none where there are only lists.
fn columns(rows: &[Value]) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for entries in rows.iter().filter_map(Value::as_object) {
        columns.extend(entries.keys().filter(|key| seen.insert((*key).clone())).cloned());
    }
    (!columns.is_empty()).then_some(columns)
}

fn field(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

plugin! {
    name: "core/csv",
    actions: [parse, write],
}
