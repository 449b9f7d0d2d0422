//! The workflows of the cookbook, run as their pages say, and what must come of each.

use serde_json::json;

use super::below;
use crate::built::lua;
use crate::process::{Place, task};
use crate::server::{Server, response};
use crate::support::repository;

fn place() -> Place {
    let place = Place::new();
    place.copy(&repository().join("examples/cookbook"));
    place
}

/// Runs one to its success, and gives its outputs.
fn outputs(place: &Place, line: &str) -> serde_json::Value {
    place.run(&format!("run cookbook/{line} --json")).code(0).json()["outputs"].clone()
}

#[test]
fn every_workflow_of_the_cookbook_is_tried_here() {
    let tried = include_str!("cookbook.rs");
    below(&repository().join("examples/cookbook"), &mut |path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.ends_with(".yaml") && name != "child.yaml" {
            assert!(tried.contains(&*name), "{name} is not tried");
        }
    });
}

#[test]
fn the_nightly_report_adds_up_and_is_kept() {
    let place = place();
    let found = outputs(&place, "nightly-report.yaml");
    assert_eq!(found, json!({ "report": "./out/report-2026-11-25.csv", "regions": 3 }));
    let report = "region,orders,amount\nnorth,2,20.0\nsouth,1,30.0\nwest,1,1.25\n";
    assert_eq!(place.read("cookbook/out/report-2026-11-25.csv"), report);
    assert_eq!(place.run("execution files last report.csv").code(0).stdout, report);
    let run = place
        .run("run cookbook/nightly-report.yaml --input day=1999-01-01")
        .code(1);
    assert!(
        run.stderr.contains("there are no orders of 1999-01-01"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_api_sync_asks_for_every_page_and_again_where_it_must() {
    let place = place();
    let server = Server::start_concurrent(|number, request| {
        let page = request
            .line
            .split("page=")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let page: u32 = page.and_then(|page| page.parse().ok()).expect("a page");
        if number == 1 {
            return response("503 Service Unavailable", "text/plain", "not yet");
        }
        let body = json!({ "pages": 3, "items": [{ "id": page * 10 }, { "id": page * 10 + 1 }] });
        response("200 OK", "application/json", &body.to_string())
    });
    let line = format!("api-sync.yaml --input api=http://localhost:{}", server.port);
    assert_eq!(
        outputs(&place, &line),
        json!({ "items": 6, "file": "./out/items.json" })
    );
    assert_eq!(server.requests().len(), 4, "three pages, one of them twice");
    let items: serde_json::Value = serde_json::from_str(&place.read("cookbook/out/items.json")).expect("JSON");
    assert_eq!(items[5], json!({ "id": 31 }));
}

#[test]
fn the_backup_keeps_every_content_once() {
    let place = place();
    assert_eq!(outputs(&place, "backup.yaml"), json!({ "files": 4 }));
    let kept = || {
        let mut count = 0;
        below(&place.path("data/artifacts"), &mut |_| count += 1);
        count
    };
    let first = kept();
    let list = place.run("execution files last --json").code(0).stdout;
    assert!(
        list.contains("measures/a.json") && list.contains("manifest.json"),
        "{list}"
    );
    assert_eq!(outputs(&place, "backup.yaml"), json!({ "files": 4 }));
    assert_eq!(kept(), first, "nothing changed, so nothing new is stored");
    place.write("cookbook/data/measures/a.json", "{}");
    assert_eq!(outputs(&place, "backup.yaml"), json!({ "files": 4 }));
    assert_eq!(kept(), first + 2, "one file, and the list of digests");
}

#[test]
fn the_health_checks_name_what_is_down() {
    let place = place();
    let server = Server::start_concurrent(|_, request| {
        if request.line.contains("/mail") {
            response("500 Internal Server Error", "text/plain", "no")
        } else {
            response("200 OK", "text/plain", "ok")
        }
    });
    let run = |paths: &[&str]| {
        let services: Vec<String> = paths
            .iter()
            .map(|path| format!("http://localhost:{}{path}", server.port))
            .collect();
        place.write("inputs.json", &json!({ "services": services }).to_string());
        place.run("run cookbook/health-checks.yaml --inputs inputs.json --json")
    };
    assert_eq!(run(&["/shop", "/docs"]).code(0).json()["outputs"]["checked"], 2);
    let failed = run(&["/shop", "/mail", "/docs"]).code(1).json();
    let message = task(&failed, "all_up")["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    assert!(
        message.ends_with(&format!("down: http://localhost:{}/mail", server.port)),
        "{message}"
    );
}

#[test]
fn the_fan_out_comes_together() {
    let expected = json!({ "stations": 3, "values": 6, "mean": 4.17, "most": 10 });
    assert_eq!(outputs(&place(), "fan-out.yaml"), json!({ "summary": expected }));
}

#[test]
fn the_webhook_is_told_by_a_task_that_never_has_the_token() {
    let place = place();
    let server = Server::start(|_, _| response("200 OK", "text/plain", "thanks"));
    drop(
        place
            .run_with_input("secret set CHAT_TOKEN", b"correct-horse-battery")
            .code(0),
    );
    let line = format!(
        "webhook.yaml --input chat=http://localhost:{}/hooks/deploys",
        server.port
    );
    assert_eq!(outputs(&place, &line), json!({ "status": 200 }));
    let told = server.requests().pop().expect("it was told");
    assert_eq!(told.header("authorization"), Some("Bearer correct-horse-battery"));
    assert_eq!(told.body, r#"{"text":"The deployment is done"}"#);
    let kept = place
        .run("execution inspect last --with-logs --with-audit --show-inputs --json")
        .code(0);
    assert!(!kept.stdout.contains("correct-horse-battery"), "{}", kept.stdout);
}

#[test]
fn the_data_quality_workflow_tells_what_is_wrong_and_where() {
    let place = place();
    let facts = json!({ "facts": { "total": 61.25, "days": 2 } });
    assert_eq!(outputs(&place, "data-quality.yaml"), facts);
    place.write(
        "cookbook/data/bad.csv",
        "day,region,amount\n2026-11-25,north,1\n25.11.2026,nowhere,-3\n",
    );
    let run = place
        .run("run cookbook/data-quality.yaml --input file=./data/bad.csv")
        .code(1);
    for part in ["/1/day", "/1/region", "/1/amount"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    place.write(
        "cookbook/data/much.csv",
        "day,region,amount\n2026-11-25,north,2000000\n",
    );
    let run = place
        .run("run cookbook/data-quality.yaml --input file=./data/much.csv")
        .code(1);
    assert!(run.stderr.contains("cannot be right"), "{}", run.stderr);
}

#[test]
fn a_wasi_program_is_a_task() {
    let place = place();
    std::fs::copy(lua(), place.path("cookbook/lua.wasm")).expect("copy the program");
    assert_eq!(outputs(&place, "wasi-program.yaml"), json!({ "median": 3 }));
    let logs = place
        .run("execution logs last --level WARN --task-id median")
        .code(0)
        .stdout;
    assert!(logs.contains("read 5 numbers"), "{logs}");
}

#[test]
fn parents_wait_for_their_children() {
    let place = place();
    assert_eq!(
        outputs(&place, "parent.yaml"),
        json!({ "best": "south", "amount": 30.0 })
    );
    let list = place.run("execution list --workflow child --json").code(0).json();
    assert_eq!(list["total"], 3);
}

#[test]
fn the_cron_job_cleans_up_whatever_happens() {
    let place = place();
    drop(place.run("run cookbook/cron-job.yaml").code(0));
    let work = place.path("cookbook/out/work/orders.csv");
    assert!(!work.exists(), "it was cleaned up");
    place.write("cookbook/data/orders.csv", "day,region,amount\n2026-11-25,north,1\n");
    let run = place.run("run cookbook/cron-job.yaml --logs").code(1);
    assert!(
        run.stderr.contains("only 1 orders came") && run.stderr.contains("the job ended FAILED"),
        "{}",
        run.stderr
    );
    assert!(!work.exists(), "it was cleaned up");
}
