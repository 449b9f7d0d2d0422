//! The operator's ceiling: what workflows may grant themselves, before anything runs and again when it is opened.

use crate::process::{Place, task, task as task_of};
use crate::server::{Server, response};

/// A place with the default policy.
fn place(flow: &str, config: &str) -> Place {
    let mut place = Place::with_flow(flow);
    place.unset("WORKFLOW_POLICY_NETWORK");
    place.write("config.yaml", config);
    place
}

fn flow(permissions: &str) -> String {
    format!(
        "id: f\npermissions: {{ {permissions} }}\ntasks:\n  - {{ id: t, type: core/console.log, inputs: {{ message: hi }} }}\n"
    )
}

#[test]
fn a_grant_past_the_ceiling_names_both_lines() {
    let grants = "network: [\"127.0.0.1:80\", \"api.example.com:443\"], filesystem: { read: [./data, /etc], write: [/var/tmp/x] }, env: [HOME]";
    let place = place(&flow(grants), "policy:\n  network:\n    - \"*.example.com:443\"\n");
    let run = place.run("validate flow.yaml").code(2);
    insta::assert_snapshot!("policy", run.redacted(&place));
    assert_eq!(place.run("run flow.yaml").code(2).stdout, "", "nothing ran");
}

#[test]
fn by_default_a_workflow_may_grant_its_own_folder_and_public_hosts() {
    for good in [
        "network: [\"*:*\", \"8.8.8.8:53\"]",
        "filesystem: { read: [./data], write: [./out] }",
        "filesystem: { write: [.] }",
    ] {
        let place = place(&flow(good), "");
        place.run("validate flow.yaml").code(0);
    }
    for bad in [
        "network: [\"localhost:80\"]",
        "network: [\"169.254.169.254\"]",
        "network: [\"10.0.0.0/8:*\"]",
        "network: [{ host: db.corp, private: true }]",
        "env: [PATH]",
        "filesystem: { read: [/etc] }",
    ] {
        let place = place(&flow(bad), "");
        let run = place.run("validate flow.yaml").code(2);
        assert!(run.stderr.contains("the default policy"), "{bad}: {}", run.stderr);
    }
}

#[test]
fn what_the_operator_allows_is_opened() {
    let server = Server::start(|_, _| response("200 OK", "text/plain", "hello"));
    let flow = format!(
        "id: f\npermissions: {{ network: [\"127.0.0.1:{0}\"], env: [GREETING] }}\ntasks:\n  - {{ id: t, type: core/http.get, inputs: {{ url: \
         \"http://127.0.0.1:{0}/\" }} }}\n",
        server.port
    );
    let place = place(&flow, "policy: { network: [\"127.0.0.1:*\"], env: [GREET*] }\n");
    place.run("run flow.yaml").code(0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_link_out_of_the_folder_is_caught_when_it_is_opened() {
    let place = place(
        "id: f\npermissions: { filesystem: { read: [./data] } }\ntasks:\n  - { id: t, type: core/file.read, inputs: { path: /data/secret.txt } }\n",
        "",
    );
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret.txt"), "outside").expect("written");
    std::os::unix::fs::symlink(outside.path(), place.path("data")).expect("linked");
    place.run("run flow.yaml --no-progress").code(1);
    let ended = place.inspect();
    assert_eq!(task(&ended, "t")["reasonCode"], "policy_denied", "{ended:#}");
    assert!(task(&ended, "t")["output"].is_null());
}

#[test]
fn a_link_is_not_followed_to_make_a_folder() {
    let place = place(
        "id: f\npermissions: { filesystem: { write: [./out/deep] } }\ntasks:\n  - { id: t, type: core/file.list, inputs: { path: /out/deep } }\n",
        "",
    );
    let outside = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(outside.path(), place.path("out")).expect("linked");
    place.run("run flow.yaml --no-progress").code(1);
    assert_eq!(task(&place.inspect(), "t")["reasonCode"], "policy_denied");
    assert!(
        std::fs::read_dir(outside.path()).expect("it is read").next().is_none(),
        "nothing was made there"
    );
}

#[test]
fn only_the_plugins_that_the_operator_names_run() {
    let text = flow("");
    let digest = place(&text, "")
        .run("plugin inspect core/console --json")
        .code(0)
        .json()["digest"]
        .clone();
    let digest = digest.as_str().expect("a digest").to_owned();
    for (allow, code) in [
        ("core/console", 0),
        ("core/*", 0),
        (digest.as_str(), 0),
        ("acme/*", 2),
        ("core/http", 2),
    ] {
        let place = place(&text, &format!("plugins: {{ allow: [\"{allow}\"] }}\n"));
        let run = place.run("run flow.yaml --no-progress").code(code);
        if code == 2 {
            assert!(run.stderr.contains("config.yaml:1"), "{}", run.stderr);
        }
    }
}

#[test]
fn the_engines_own_variables_cannot_be_granted() {
    let place = place(&flow("env: [WORKFLOW_SECRET_KEY]"), "policy: { env: [\"*\"] }\n");
    let run = place.run("validate flow.yaml").code(2);
    assert!(run.stderr.contains("no task may read it"), "{}", run.stderr);
}

#[test]
fn a_proxy_is_the_operators_alone_and_is_asked_for_the_checked_address() {
    let target = Server::start(|_, _| response("200 OK", "text/plain", "direct"));
    let proxy =
        Server::start(|_, _| "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned());
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let text = format!(
        "id: f\npermissions: {{ network: [\"localhost:{0}\"] }}\ntasks:\n  - {{ id: t, type: core/http.get, inputs: {{ url: \"http://localhost:{0}/\" }} }}\n",
        target.port
    );
    let mut first = place(&text, "policy: { network: [\"localhost:*\"] }\n");
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"] {
        first.set(name, &address);
    }
    first.run("run flow.yaml").code(0);
    assert!(proxy.requests().is_empty(), "the environment's proxy was used");
    let second = place(
        &text,
        &format!("policy: {{ network: [\"localhost:*\"] }}\nnetwork: {{ proxy: \"{address}\" }}\n"),
    );
    second.run("run flow.yaml").code(1);
    let lines: Vec<String> = proxy.requests().into_iter().map(|request| request.line).collect();
    let asked = |line: &String| line.starts_with("CONNECT 127.0.0.1:") || line.starts_with("CONNECT [::1]:");
    assert!(!lines.is_empty() && lines.iter().all(asked), "{lines:?}");
    assert_eq!(target.requests().len(), 1, "the proxy was gone around");
}

#[test]
fn no_grant_opens_the_engines_own_files() {
    let task = |id: &str, action: &str, inputs: &str| {
        format!("  - {{ id: {id}, type: core/file.{action}, onError: continue, inputs: {{ {inputs} }} }}\n")
    };
    let files = ["cache/key", "db.sqlite", "db.sqlite-wal", "cache/../cache/key"];
    let reads = files.iter().enumerate().map(|(number, file)| {
        task(
            &format!("read{number}"),
            "read",
            &format!("path: /data/{file}, as: base64"),
        )
    });
    let text = format!(
        "id: f\npermissions: {{ filesystem: {{ write: [./data] }} }}\ntasks:\n{}{}{}{}{}",
        reads.collect::<String>(),
        task("write", "write", "path: /data/cache/key, content: forged"),
        task("move", "move", "from: /data/cache, to: /data/mine"),
        task("own", "write", "path: /data/own.txt, content: mine"),
        // After the others: a list ends in an error where a file goes while it is made.
        "  - { id: list, needs: [own, write, move], type: core/file.list, inputs: { path: /data } }\n",
    );
    let place = place(&text, "");
    std::fs::create_dir_all(place.path("data/cache")).expect("made");
    std::fs::write(place.path("data/cache/key"), [7; 32]).expect("written");
    place.run("run flow.yaml --no-progress").code(0);
    let execution = place.inspect();
    for id in ["read0", "read1", "read2", "read3", "write", "move"] {
        assert_eq!(task_of(&execution, id)["state"], "FAILED", "{id}: {execution:#}");
    }
    assert_eq!(task_of(&execution, "own")["state"], "SUCCESS", "{execution:#}");
    let listed = task_of(&execution, "list")["output"].to_string();
    assert!(
        listed.contains("/data/cache") && !listed.contains("db.sqlite\""),
        "{listed}: {execution:#}"
    );
    assert_eq!(
        std::fs::read(place.path("data/cache/key")).expect("it is there").len(),
        32
    );
}
