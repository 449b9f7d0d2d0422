//! Components that attack: our world with a manifest and a body of the attack's own, or whatever else stands in their place.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::support::hostile_component;

/// What stands in the plugin's file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Made {
    /// A component of our world.
    Plugin(Box<Plugin>),
    /// A component or a core module, as text.
    Wat(String),
    /// What no compiler made.
    Text(String),
    /// The bytes, as hex.
    Hex(String),
    /// So many 16ths of a good one.
    Cut(usize),
    /// A good one with one bit changed, so many 64ths behind its beginning.
    Flip(usize),
    /// A file of so many MiB that takes no room.
    Sparse(u64),
    /// A link to a path of this machine.
    Link(String),
    Folder,
    Fifo,
}

/// A component of our world that says and does what the attack wants.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Plugin {
    name: String,
    version: String,
    description: String,
    /// The only action, or the first of many.
    action: String,
    title: String,
    schema: String,
    /// How often the action stands there; more than one get numbers.
    actions: usize,
    /// What `describe` does first, in the text format.
    describe: String,
    /// What `run` does first.
    run: String,
    /// More of the core module.
    module: String,
    /// Memory at the start, in pages.
    pages: u32,
    /// Words of the finished text that are replaced, for types that lie.
    replace: BTreeMap<String, String>,
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            name: "test/made".to_owned(),
            version: "1.0.0".to_owned(),
            description: "Made for a test.".to_owned(),
            action: "go".to_owned(),
            title: "Go".to_owned(),
            schema: "{}".to_owned(),
            actions: 1,
            describe: String::new(),
            run: String::new(),
            module: String::new(),
            pages: 40,
            replace: BTreeMap::new(),
        }
    }
}

impl Made {
    /// A component of our world that does nothing.
    pub(crate) fn plain() -> Self {
        Self::Plugin(Box::default())
    }

    /// The same, by another name.
    pub(crate) fn named(name: &str) -> Self {
        Self::Plugin(Box::new(Plugin {
            name: name.to_owned(),
            ..Plugin::default()
        }))
    }
}

/// Puts it at `path`.
pub(crate) fn put(made: &Made, path: &Path) {
    let bytes = match made {
        Made::Plugin(plugin) => compiled(&plugin.text()),
        Made::Wat(text) => compiled(text),
        Made::Text(text) => text.clone().into_bytes(),
        Made::Hex(text) => hex(text),
        Made::Cut(sixteenths) => {
            let mut bytes = good();
            bytes.truncate(bytes.len() * sixteenths / 16);
            bytes
        }
        Made::Flip(place) => {
            let mut bytes = good();
            let at = bytes.len() * place / 64;
            bytes[at] ^= 0x10;
            bytes
        }
        Made::Sparse(mib) => {
            let file = std::fs::File::create(path).expect("made");
            return file.set_len(mib << 20).expect("as long as that");
        }
        Made::Link(to) => return std::os::unix::fs::symlink(to, path).expect("linked"),
        Made::Folder => return std::fs::create_dir(path).expect("made"),
        Made::Fifo => {
            let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
            return nix::unistd::mkfifo(path, mode).expect("made");
        }
    };
    std::fs::write(path, bytes).expect("written");
}

fn good() -> Vec<u8> {
    std::fs::read(hostile_component()).expect("it is built")
}

fn compiled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

/// Where the manifest's parts are in the memory of a made component.
const RECORD_AT: usize = 1024;
const ACTIONS_AT: usize = 4096;
const OK_AT: usize = 512;

impl Plugin {
    /// The component as text: the manifest stands in its memory, and `run` gives null after it did what the attack wants.
    fn text(&self) -> String {
        let mut data = String::new();
        let mut next = ACTIONS_AT + 44 * self.actions;
        let mut put = |text: &str, data: &mut String| {
            let at = next;
            next += text.len();
            data.extend([format!(
                "    (data (i32.const {at}) \"{}\")\n",
                escaped(text.as_bytes())
            )]);
            [number(at), number(text.len())].concat()
        };
        let head = [&self.name, &self.version, &self.description]
            .map(|text| put(text, &mut data))
            .concat();
        let (title, schema) = (put(&self.title, &mut data), put(&self.schema, &mut data));
        let mut actions = Vec::new();
        for count in 0..self.actions {
            let name = if self.actions > 1 {
                format!("{}-{count}", self.action)
            } else {
                self.action.clone()
            };
            actions.extend(put(&name, &mut data));
            actions.extend([title.clone(), title.clone(), schema.clone(), schema.clone()].concat());
            actions.extend(number(1));
        }
        let record = [head, number(ACTIONS_AT), number(self.actions)].concat();
        for (at, bytes) in [(RECORD_AT, &record), (ACTIONS_AT, &actions)] {
            data.extend([format!("    (data (i32.const {at}) \"{}\")\n", escaped(bytes))]);
        }
        let output = [number(0), number(0), number(OK_AT + 16), number(4)].concat();
        data.extend([format!("    (data (i32.const {OK_AT}) \"{}null\")\n", escaped(&output))]);
        let module = format!(
            "  (core module $m\n    (memory (export \"memory\") {})\n    (global $next (mut i32) (i32.const 1048576))\n{REALLOC}    (func (export \"describe\") \
             (result i32) {} (i32.const {RECORD_AT}))\n    (func $run (export \"run\") (param i32) (result i32) {} (i32.const {OK_AT}))\n    {}\n{data}  )\n",
            self.pages, self.describe, self.run, self.module
        );
        let text = format!("(component\n{module}{WORLD})\n");
        self.replace.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from.as_str()), "`{from}` is not in {text}");
            text.replace(from.as_str(), to)
        })
    }
}

const REALLOC: &str = "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
      (local i32)
      (local.set 4 (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get 4) (local.get 3)))
      (local.get 4))
";

const WORLD: &str = r#"  (core instance $i (instantiate $m))
  (type $action-type (record (field "name" string) (field "title" string) (field "description" string) (field "input-schema" string)
    (field "output-schema" string) (field "idempotent" bool)))
  (export $action "action" (type $action-type))
  (type $manifest-type (record (field "name" string) (field "version" string) (field "description" string) (field "actions" (list $action))))
  (export $manifest "manifest" (type $manifest-type))
  (type $context-type (record (field "execution-id" string) (field "workflow-id" string) (field "task-id" string) (field "attempt" u32)
    (field "index" (option u32)) (field "deadline-ms" (option u64)) (field "idempotency-key" string)))
  (export $context "context" (type $context-type))
  (type $error-type (record (field "code" string) (field "message" string) (field "retryable" bool) (field "retry-after-ms" (option u64))
    (field "details" (option string))))
  (export $error "task-error" (type $error-type))
  (func (export "describe") (result $manifest) (canon lift (core func $i "describe") (memory $i "memory")))
  (func (export "run") (param "action" string) (param "ctx" $context) (param "input" string) (result (result string (error $error)))
    (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc"))))
"#;

fn number(number: usize) -> Vec<u8> {
    u32::try_from(number).expect("it is small").to_le_bytes().to_vec()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
