//! What `list` and `inspect` show of executions, on terminals of several widths and elsewhere.

use crate::process::{Place, redact};
use crate::terminal::Terminal;

const FLOW: &str = "id: nightly_report_of_all_shops
inputs: [{ id: who, type: string, default: World }]
tasks:
  - { id: greet, type: core/console.log, inputs: { message: \"Hello, {{ inputs.who }}!\" } }
  - { id: nap, needs: [greet], type: core/time.sleep, inputs: { seconds: 0.3 } }
  - { id: each, type: core/console.log, needs: [nap], maxParallel: 1, forEach: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], inputs: { message: \"{{ item }}\" } }
  - { id: query_that_fails, type: core/json.query, needs: [each], onError: continue, inputs: { data: 1, filter: \". + {}\" } }
  - { id: skip, type: core/console.log, when: \"{{ inputs.who == 'nobody' }}\", inputs: { message: never } }
outputs: { greeted: \"{{ inputs.who }}\" }
";

/// What a command shows on a terminal of so many columns.
#[track_caller]
fn shown(place: &Place, line: &str, width: u16) -> String {
    let left = Terminal::start(place, line, (120, width)).end();
    assert_eq!(left.code, Some(0), "{left:?}");
    let color = regex::Regex::new(r"\x1b\[[0-9;]*m").expect("a good pattern");
    for line in left.raw.replace('\r', "").lines() {
        let bare = color.replace_all(line, "").into_owned();
        // Tables are cut; what is said below them is text, which may wrap.
        assert!(
            bare.starts_with("    ") || bare.chars().count() <= usize::from(width),
            "wider than {width}: {bare}"
        );
    }
    left.text
}

/// The times and sizes of one run are not those of another.
fn same(text: &str, place: &Place) -> String {
    let text = redact(text, place);
    let rules = [
        (r"(now|\d+s ago)", "<ago>"),
        (r"(CREATED|<ago>) +(\S)", "$1  $2"),
        (r" 0( +<duration>)+", " 0  <axis>"),
        (r"[█▁-▇]+", "█"),
        (r" {3,}█", "   █"),
        (r"█ +", "█  "),
        (r" *▒+ +", "  ▒  "),
        (r"exec-[0-9a-z]+…", "exec-<cut>…"),
    ];
    rules.iter().fold(text, |text, (pattern, with)| {
        let pattern = regex::Regex::new(pattern).expect("a good pattern");
        pattern.replace_all(&text, *with).into_owned()
    })
}

#[test]
fn a_list_fits_its_terminal() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    place.write(
        "other.yaml",
        "id: other\ntasks: [{ id: a, type: core/json.query, inputs: { data: 1, filter: error } }]\n",
    );
    place.run("run other.yaml").code(1);
    for width in [20, 60, 100, 160] {
        insta::assert_snapshot!(
            format!("list-{width}"),
            same(&shown(&place, "execution list", width), &place)
        );
    }
    insta::assert_snapshot!("list-plain", place.run("execution list").redacted(&place));
}

#[test]
fn a_page_says_how_to_see_the_next_one_and_an_empty_one_what_to_do() {
    let place = Place::new();
    let run = place.run("execution list").code(0);
    assert_eq!(run.stderr, "no executions yet: `workflow run FILE` makes one\n");
    place.write("flow.yaml", FLOW);
    for _ in 0..3 {
        place.run("run flow.yaml").code(0);
    }
    let run = place
        .run("execution list --limit 2 --workflow nightly_report_of_all_shops --state SUCCESS FAILED")
        .code(0);
    let more = "1 to 2 of 3; more: workflow execution list --workflow nightly_report_of_all_shops --state SUCCESS,FAILED --limit 2 --offset 2\n";
    assert_eq!(run.stderr, more);
    // What it says is a command that works.
    let next = more.split("more: workflow ").nth(1).expect("a command");
    let run = place.run(next).code(0);
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (2, "3 to 3 of 3\n"));
    let run = place.run("execution list --state CANCELLED").code(0);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "no execution fits: `workflow execution list` shows all\n")
    );
    let run = place.run("execution list --offset 7").code(0);
    assert_eq!(run.stderr, "none from 8 on, there are 3: workflow execution list\n");
}

#[test]
fn an_inspection_fits_its_terminal() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    for width in [60, 100, 160] {
        insta::assert_snapshot!(
            format!("inspect-{width}"),
            same(
                &shown(&place, "execution inspect last --timeline --with-audit", width),
                &place
            )
        );
    }
}

#[test]
fn a_timeline_has_attempts_waits_and_lists() {
    let place = Place::with_flow(
        "id: t
tasks:
  - { id: nap, type: core/time.sleep, inputs: { seconds: 0.2 } }
  - { id: again, type: core/time.sleep, timeoutSeconds: 0.05, retry: { max: 1, initialSeconds: 0.1, jitter: false }, onError: continue, inputs: { seconds: 9 } }
  - { id: each, needs: [nap], type: core/time.sleep, forEach: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], inputs: { seconds: 0.1 } }
",
    );
    place.run("run flow.yaml").code(0);
    let text = place.run("execution inspect last --timeline").code(0).stdout;
    let timeline = text.split("Timeline\n").nth(1).expect("a timeline");
    let line = |name: &str| {
        timeline
            .lines()
            .find(|line| line.trim_start().starts_with(name))
            .expect("a line")
    };
    assert!(
        timeline
            .lines()
            .next()
            .is_some_and(|axis| axis.trim_start().starts_with("0 ")),
        "{timeline}"
    );
    let again = line("again");
    let signs: String = again.chars().filter(|sign| "█▒╌".contains(*sign)).collect();
    let (first, rest) = signs.split_once('╌').expect("a wait");
    let (wait, second) = rest.rsplit_once('╌').expect("a wait of some length");
    assert!(!first.is_empty() && first.chars().all(|sign| sign == '▒'), "{timeline}");
    assert!(
        wait.chars().all(|sign| sign == '╌') && second.chars().all(|sign| sign == '▒'),
        "{timeline}"
    );
    assert!(
        line("each ×12").contains('█') && !timeline.contains("each[3]"),
        "{timeline}"
    );
    assert!(
        timeline.contains("▒ failed") && timeline.contains("how many elements"),
        "{timeline}"
    );
    // Of one task each element has its line.
    let one = place
        .run("execution inspect last --timeline --task each")
        .code(0)
        .stdout;
    assert!(one.matches("█").count() > 12, "{one}");
    assert!(one.contains("each[11]  "), "{one}");
}

#[test]
fn one_that_runs_says_who_runs_it_and_for_how_long() {
    let place = Place::with_flow("id: t\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 3000 } }]\n");
    let run = Terminal::start(&place, "run flow.yaml", (24, 80));
    run.wait_for("the sleep", |text| text.contains("sleeps, "));
    let text = shown(&place, "execution inspect last --timeline", 100);
    assert!(text.contains("  run by     process "), "{text}");
    assert!(text.contains(" until now"), "{text}");
    assert!(text.contains("    goes on ") && text.contains(", in "), "{text}");
    assert!(text.contains('█'), "{text}");
    assert!(
        shown(&place, "execution list", 100).contains('…'),
        "the duration goes on"
    );
    run.types(b"\x03");
    assert_eq!(run.end().code, Some(130));
}
