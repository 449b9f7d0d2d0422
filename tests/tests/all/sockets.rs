//! Raw sockets follow the rules of HTTP: names are resolved by the host, and only what was granted and checked is connected to.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use autokestra_sandbox::Resolver;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::support::{Kept, Place, denied_targets};

/// A resolver whose every name leads where the test says, another place each time where there are several.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    /// `name` leads to each of `answers` once, in turn, and to the last one from then on.
    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let answers = answers.iter().map(parse).collect();
        self.0.lock().expect("unpoisoned").insert(name.to_owned(), answers);
        self
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().expect("unpoisoned");
        let answer = names.get_mut(name).map(|answers| {
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers.first().cloned().unwrap_or_default()
            }
        });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// A server that answers `pong` once to each connection; gives its port, and what it was sent.
fn pong() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let taken = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&taken);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let told = Arc::clone(&told);
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                let mut answer = Some(b"pong");
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    told.lock().expect("unpoisoned").push(text);
                    if let Some(answer) = answer.take() {
                        drop(stream.write_all(answer));
                    }
                }
            });
        }
    });
    (port, taken)
}

async fn run_at(place: &Place, action: &str, target: &str, network: &str) -> Kept {
    let yaml = format!(
        "id: sockets\ntasks:\n  - id: socket\n    type: test/hostile.{action}\n    timeoutSeconds: 20\n    permissions: {{ network: [{network}] }}\n    inputs: {{ \
         target: '{target}' }}\n"
    );
    place.run(&yaml).await
}

/// Whether the server's answer came. The guest sends in two pieces, and both may be answered before it reads.
fn answered(kept: &Kept) -> bool {
    output(kept).is_some_and(|said| said.as_str().is_some_and(|said| said.starts_with("pong")))
}

fn output(kept: &Kept) -> Option<Value> {
    kept.task("socket").output.as_ref().map(|output| output.value().clone())
}

#[tokio::test]
async fn what_is_granted_is_connected_to_and_counted() {
    let (port, taken) = pong();
    let kept = run_at(
        &Place::new(1),
        "tcp-send",
        &format!("127.0.0.1:{port} hello"),
        &format!("\"127.0.0.1:{port}\""),
    )
    .await;
    assert!(answered(&kept), "{:?}", kept.task("socket").message);
    assert!(taken.lock().expect("unpoisoned").concat().starts_with("he"));
    let usage = kept.task("socket").attempts[0].usage.clone().expect("it ended");
    assert!(usage.bytes_in >= 4 && usage.bytes_out >= 2, "{usage:?}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_by_name_and_line() {
    let (port, taken) = pong();
    for (granted, target) in [
        ("", format!("127.0.0.1:{port}")),
        ("\"127.0.0.1:1\"", format!("127.0.0.1:{port}")),
        // A grant without a port means the port of a scheme, and a socket has none.
        ("\"127.0.0.1\"", format!("127.0.0.1:{port}")),
        ("\"*:*\"", format!("127.0.0.1:{port}")),
        ("\"*:*\"", "169.254.169.254:80".to_owned()),
        ("\"*:*\"", "[64:ff9b::a9fe:a9fe]:80".to_owned()),
    ] {
        let kept = run_at(&Place::new(1), "tcp-send", &target, granted).await;
        assert_eq!(output(&kept), None, "{target} by {granted}");
        let denied = denied_targets(&kept);
        assert_eq!(denied.len(), 1, "{target} by {granted}: {denied:?}");
        let warned = kept
            .logs
            .iter()
            .any(|log| log.message.as_str().contains("permissions:\n  network: ["));
        assert!(warned, "{target} by {granted}");
    }
    // WASI itself refuses an address of version 4 in the clothes of one of version 6.
    let kept = run_at(
        &Place::new(1),
        "tcp-send",
        &format!("[::ffff:127.0.0.1]:{port}"),
        "\"*:*\"",
    )
    .await;
    assert_eq!(output(&kept), None);
    assert!(taken.lock().expect("unpoisoned").is_empty());
}

#[tokio::test]
async fn nothing_listens() {
    for address in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0", "0.0.0.0:18080"] {
        let kept = run_at(
            &Place::new(1),
            "tcp-listen",
            address,
            "\"*:*\", { host: \"*:*\", private: true }",
        )
        .await;
        assert_eq!(output(&kept), None, "{address}");
    }
}

#[tokio::test]
async fn datagrams_follow_the_same_rules() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((_, from)) = server.recv_from(&mut bytes) {
            drop(server.send_to(b"pong", from));
        }
    });
    let target = format!("127.0.0.1:{port}");
    let kept = run_at(&Place::new(1), "udp-send", &target, &format!("\"{target}\"")).await;
    assert_eq!(
        output(&kept),
        Some(serde_json::json!([4, "pong"])),
        "{:?}",
        kept.task("socket").message
    );
    let kept = run_at(&Place::new(1), "udp-send", &target, "").await;
    assert_eq!((output(&kept), denied_targets(&kept)), (None, vec![target]));
}

#[tokio::test]
async fn connections_have_a_limit() {
    let (port, _) = pong();
    let kept = run_at(
        &Place::new(1),
        "tcp-many",
        &format!("127.0.0.1:{port}"),
        &format!("\"127.0.0.1:{port}\""),
    )
    .await;
    let task = kept.task("socket");
    let said = task
        .message
        .as_ref()
        .map(|message| message.as_str().to_owned())
        .unwrap_or_default();
    assert!(said.starts_with("16 connections, then"), "{said}");
    assert_eq!(task.reason, Some(autokestra_model::ReasonCode::LimitHandles));
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_not_even_asked_about() {
    let names = Arc::new(Names::default().with("data.evil.example", &[&["203.0.113.7"]]));
    let place = Place::resolving(names);
    let kept = run_at(&place, "look-up", "data.evil.example:80", "\"api.example.com:443\"").await;
    assert_eq!(
        (output(&kept), denied_targets(&kept)),
        (None, vec!["data.evil.example".to_owned()])
    );
}

#[tokio::test]
async fn of_several_addresses_only_the_public_ones_come_out() {
    let names = Names::default().with(
        "api.example.com",
        &[&["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "2606:4700::1111"]],
    );
    let place = Place::resolving(Arc::new(names));
    let kept = run_at(&place, "look-up", "API.example.com.:443", "\"*.example.com:443\"").await;
    assert_eq!(
        output(&kept),
        Some(serde_json::json!(["8.8.8.8", "2606:4700::1111"])),
        "{:?}",
        kept.task("socket").message
    );
}

#[tokio::test]
async fn a_name_that_changes_between_check_and_use_leads_nowhere_new() {
    let (port, taken) = pong();
    // At first it leads to a public address that the guest is told of, later to this machine.
    let names = Names::default().with("rebind.example", &[&["203.0.114.1"], &["127.0.0.1"]]);
    let place = Place::resolving(Arc::new(names));
    let yaml = format!(
        "id: rebind\npermissions: {{ network: [\"rebind.example:{port}\"] }}\ntasks:\n  - {{ id: first, type: test/hostile.look-up, inputs: {{ t: \
         'rebind.example:{port}' }} }}\n  - {{ id: second, needs: [first], type: test/hostile.tcp-send, inputs: {{ t: 'rebind.example:{port}' }} }}\n  - {{ id: third, \
         needs: [{{ task: second, on: always }}], type: test/hostile.tcp-send, inputs: {{ t: '127.0.0.1:{port}' }} }}\n"
    );
    let kept = place.run(&yaml).await;
    assert_eq!(
        kept.task("first").output.as_ref().map(|output| output.value().clone()),
        Some(serde_json::json!(["203.0.114.1"]))
    );
    for id in ["second", "third"] {
        assert!(kept.task(id).output.is_none(), "{id}");
    }
    assert!(taken.lock().expect("unpoisoned").is_empty(), "it was reached");
    assert_eq!(
        denied_targets(&kept),
        ["rebind.example".to_owned(), format!("127.0.0.1:{port}")]
    );
}

#[tokio::test]
async fn a_mapped_name_reaches_its_private_address_by_any_way() {
    let (port, _) = pong();
    let names = Names::default().with("db.corp", &[&["127.0.0.1"]]);
    let place = Place::resolving(Arc::new(names));
    let grant = format!("{{ host: \"db.corp:{port}\", private: true }}");
    let kept = run_at(&place, "tcp-send", &format!("db.corp:{port} hello"), &grant).await;
    assert!(answered(&kept), "{:?}", kept.task("socket").message);
    // By its address alone nobody named it.
    let kept = run_at(&place, "tcp-send", &format!("127.0.0.1:{port}"), &grant).await;
    assert_eq!(output(&kept), None);
}

#[tokio::test]
async fn a_sockets_way_carries_no_secret_and_no_placeholder() {
    let (port, taken) = pong();
    let place = Place::new(1).secret("KEY", "the-very-secret");
    let yaml = format!(
        "id: sockets\nsecrets: [{{ name: KEY, onlyTo: [\"127.0.0.1:{port}\"] }}]\ntasks:\n  - id: socket\n    type: test/hostile.tcp-send-http\n    permissions: {{ \
         network: [\"127.0.0.1:{port}\"] }}\n    inputs: {{ target: '127.0.0.1:{port} {{{{ secrets.KEY }}}}' }}\n"
    );
    let kept = place.run(&yaml).await;
    let sent = taken.lock().expect("unpoisoned").concat();
    assert!(!sent.contains("the-very-secret"), "{sent}");
    assert_eq!(denied_targets(&kept), ["secret KEY to a socket"], "{sent}");
    assert_eq!(output(&kept), None);
}
