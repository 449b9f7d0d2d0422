//! Pictures of terminal sessions for the README and the guide, made by the program itself: `make pictures` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anstyle_svg::Term;
use regex::Regex;

use crate::process::Place;
use crate::server::{Server, response};
use crate::support::repository;
use crate::terminal::Terminal;

/// The workflow that is run, and one that has mistakes.
const NIGHTLY: &str = include_str!("pictures/nightly.yaml");
const BROKEN: &str = include_str!("pictures/broken.yaml");

/// The columns of every picture.
const COLUMNS: u16 = 100;

/// Each picture, and the command that it shows.
const PICTURES: [(&str, &str); 6] = [
    ("run", "workflow run nightly.yaml --inputs shop.json"),
    ("summary", "workflow run nightly.yaml --inputs shop.json"),
    ("timeline", "workflow execution inspect last --timeline"),
    ("failure", "workflow run failing.yaml --inputs shop.json"),
    ("validate", "workflow validate broken.yaml"),
    ("graph", "workflow graph nightly.yaml"),
];

fn path(name: &str) -> PathBuf {
    repository().join("docs/pictures").join(format!("{name}.svg"))
}

#[test]
fn every_picture_is_there_and_shows_a_command_of_the_documents() {
    let mut documents = std::fs::read_to_string(repository().join("README.md")).expect("read the README");
    pages(&repository().join("docs"), &mut documents);
    let tag = Regex::new("<[^>]*>").expect("a good pattern");
    for (name, command) in PICTURES {
        let picture = std::fs::read_to_string(path(name));
        let picture =
            picture.unwrap_or_else(|error| panic!("docs/pictures/{name}.svg: {error}; `make pictures` makes it"));
        assert!(
            picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"),
            "{name} is no SVG"
        );
        let text = tag.replace_all(&picture, "").into_owned();
        assert!(
            text.contains(&format!("$ {command}")),
            "{name} does not show `{command}`"
        );
        // `workflow execution inspect` and `--timeline`, on one line: what a file or an execution is called may differ.
        let words: Vec<&str> = command.split(' ').collect();
        let options: Vec<&str> = words.iter().copied().filter(|word| word.starts_with("--")).collect();
        let named = words
            .iter()
            .copied()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()) && *word != "last");
        let names = named.collect::<Vec<_>>().join(" ");
        let told = documents
            .lines()
            .any(|line| line.contains(&names) && options.iter().all(|option| line.contains(option)));
        assert!(told, "no document has `{names}` with {options:?}");
    }
    let there = std::fs::read_dir(repository().join("docs/pictures"))
        .expect("read docs/pictures")
        .count();
    assert_eq!(there, PICTURES.len(), "a picture that nothing makes");
}

/// Adds the text of every page below a folder.
fn pages(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("read a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            *text += &std::fs::read_to_string(path).expect("read a page");
        }
    }
}

#[test]
fn pictures_are_made_where_they_are_asked_for() {
    if std::env::var_os("PICTURES").is_none_or(|wanted| wanted != "write") {
        return;
    }
    std::fs::create_dir_all(repository().join("docs/pictures")).expect("make a folder");
    let mut place = Place::new();
    place.write("nightly.yaml", NIGHTLY);
    place.write(
        "failing.yaml",
        &NIGHTLY.replace("{{ inputs.shop }}/upload", "{{ inputs.shop }}/gone"),
    );
    place.write("broken.yaml", BROKEN);
    let shop = Shop::new();
    place.set("WORKFLOW_POLICY_NETWORK", "127.0.0.1:* private");
    place.write(
        "shop.json",
        &format!("{{ \"shop\": \"http://127.0.0.1:{}\" }}", shop.port),
    );
    let run = |picture: usize| {
        let line = PICTURES[picture]
            .1
            .strip_prefix("workflow ")
            .expect("a command of ours");
        Terminal::start(&place, line, (32, COLUMNS))
    };
    let terminal = run(0);
    terminal.wait_for("the middle", |text| {
        text.contains("attempt 2 in ") && text.contains("9/24") && !text.contains("0.0s")
    });
    write(0, &terminal.screen());
    shop.open();
    terminal.wait_for("its end", |text| text.contains("SUCCESS in "));
    write(1, &terminal.screen());
    assert_eq!(terminal.end().code, Some(0));
    show(2, &place);
    let terminal = run(3);
    terminal.wait_for("its end", |text| text.contains("execution retry"));
    write(3, &terminal.screen());
    assert_eq!(terminal.end().code, Some(1));
    show(4, &place);
    show(5, &place);
}

/// A shop on this machine, slow until it is opened.
struct Shop {
    port: u16,
    open: Arc<(Mutex<bool>, std::sync::Condvar)>,
    _server: Server,
}

impl Shop {
    fn new() -> Self {
        let open = Arc::new((Mutex::new(false), std::sync::Condvar::new()));
        let gate = Arc::clone(&open);
        let pictures = Mutex::new(0);
        let server = Server::start_concurrent(move |_, request| {
            let path = request.line.split(' ').nth(1).unwrap_or_default();
            let is_open = || *gate.0.lock().expect("no test panics with the lock");
            let slow = match path {
                "/stock" => true,
                "/picture" => {
                    let mut pictures = pictures.lock().expect("no test panics with the lock");
                    *pictures += 1;
                    *pictures > 9
                }
                _ => false,
            };
            if slow {
                let opened = gate.0.lock().expect("no test panics with the lock");
                drop(
                    gate.1
                        .wait_while(opened, |open| !*open)
                        .expect("no test panics with the lock"),
                );
            }
            // So that the timeline has something to show.
            std::thread::park_timeout(std::time::Duration::from_millis(if slow { 250 } else { 60 }));
            match path {
                "/prices" if !is_open() => response("503 Service Unavailable", "text/plain", "the shop is closed"),
                "/gone" => response("410 Gone", "text/plain", "gone"),
                _ => response("200 OK", "application/json", "[1, 2, 3]"),
            }
        });
        Self {
            port: server.port,
            open,
            _server: server,
        }
    }

    fn open(&self) {
        *self.open.0.lock().expect("no test panics with the lock") = true;
        self.open.1.notify_all();
    }
}

/// Runs a command to its end and makes its picture.
fn show(picture: usize, place: &Place) {
    let line = PICTURES[picture]
        .1
        .strip_prefix("workflow ")
        .expect("a command of ours");
    let screen = Terminal::start(place, line, (60, COLUMNS)).end_with_screen();
    write(picture, &screen);
}

/// Writes the picture of a screen.
fn write(picture: usize, screen: &vt100::Screen) {
    let (name, command) = PICTURES[picture];
    let (rows, columns) = screen.size();
    let mut text = format!("\x1b[1m$ {command}\x1b[0m\n");
    let lines: Vec<String> = (0..rows).map(|row| line(screen, row, columns)).collect();
    let used = lines
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    for line in &lines[..used] {
        text += line;
        text.push('\n');
    }
    let terminal = Term::new().palette(anstyle_svg::WIN10_CONSOLE).min_width_px(860);
    // Browsers fade no part of a text by `opacity`.
    let picture = terminal
        .render_svg(&same(&text))
        .replace("{ opacity: 0.4; }", "{ fill-opacity: 0.6; }");
    std::fs::write(path(name), picture + "\n").expect("write a picture");
}

/// One row, with its colours.
fn line(screen: &vt100::Screen, row: u16, columns: u16) -> String {
    let mut text = String::new();
    let mut style = String::new();
    let cells = (0..columns).filter_map(|column| screen.cell(row, column));
    for cell in cells.filter(|cell| !cell.is_wide_continuation()) {
        let mut codes = String::new();
        if cell.bold() {
            codes += ";1";
        }
        if cell.dim() {
            codes += ";2";
        }
        if cell.underline() {
            codes += ";4";
        }
        match cell.fgcolor() {
            vt100::Color::Default => {}
            vt100::Color::Idx(color) => drop(write!(codes, ";38;5;{color}")),
            vt100::Color::Rgb(red, green, blue) => drop(write!(codes, ";38;2;{red};{green};{blue}")),
        }
        if codes != style {
            text.extend(["\x1b[0", &codes, "m"]);
            style = codes;
        }
        text += if cell.has_contents() { cell.contents() } else { " " };
    }
    let bare = text.trim_end().to_owned();
    if style.is_empty() { bare } else { bare + "\x1b[0m" }
}

/// Ids, times and ports that are the same each time.
fn same(text: &str) -> String {
    let rules = [
        (r"exec-[0-9a-hjkmnp-tv-z]{26}", "exec-01kb0r9q3m8vw2c5x7yd4etz6h"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-11-26T03:00:00.000Z"),
        (r"\d\d:\d\d:\d\d\.\d{3}\b", "03:00:00.000"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:8080"),
        (r"process \d+ on \S+", "process 4711 on shop"),
        (r"by user:\S+ \(uid \d+\)|by user:uid \d+", "by user:ada (uid 1000)"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        let pattern = Regex::new(pattern).expect("a good pattern");
        pattern.replace_all(&text, *with).into_owned()
    })
}
