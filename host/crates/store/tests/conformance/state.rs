//! What plugins keep for a workflow.

use autokestra_secrets::SealedJson;
use autokestra_store::Change;
use serde_json::json;

use super::{create, fixture, sealed};

#[tokio::test]
async fn a_plugins_values_are_kept_and_removed() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let (workflow, plugin) = ("flow".parse().expect("an id"), "core/http".parse().expect("a name"));
    let set = |value: Option<SealedJson>| Change::PluginState {
        workflow: "flow".parse().expect("an id"),
        plugin: "core/http".parse().expect("a name"),
        key: "mark".to_owned(),
        value,
    };
    store
        .commit(
            &lease,
            vec![set(Some(sealed(&json!(1)))), set(Some(sealed(&json!({ "a": 2 }))))],
        )
        .await
        .expect("it is kept");
    let found = store.state_value(&workflow, &plugin, "mark").await.expect("it is read");
    assert_eq!(found, Some(sealed(&json!({ "a": 2 }))));
    store.commit(&lease, vec![set(None)]).await.expect("it is removed");
    assert_eq!(
        store.state_value(&workflow, &plugin, "mark").await.expect("it is read"),
        None
    );
}

#[tokio::test]
async fn the_keys_of_a_plugins_values_are_told_by_their_beginning() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let (workflow, plugin) = ("flow".parse().expect("an id"), "core/http".parse().expect("a name"));
    let set = |plugin: &str, key: &str| Change::PluginState {
        workflow: "flow".parse().expect("an id"),
        plugin: plugin.parse().expect("a name"),
        key: key.to_owned(),
        value: Some(sealed(&json!(1))),
    };
    let kept = [
        "feed:b",
        "feed",
        "feed:a",
        "feed:\u{10ffff}",
        "feee",
        "fed",
        "feed:%",
        "Feed:a",
        "é",
    ];
    let mut changes: Vec<Change> = kept.iter().map(|key| set("core/http", key)).collect();
    changes.push(set("core/json", "feed:of-another"));
    store.commit(&lease, changes).await.expect("they are kept");
    for (prefix, most, expected) in [
        ("feed:", 10, &["feed:%", "feed:a", "feed:b", "feed:\u{10ffff}"][..]),
        ("feed:", 2, &["feed:%", "feed:a"]),
        ("feed:%", 10, &["feed:%"]),
        ("feed:c", 10, &[]),
        ("é", 10, &["é"]),
        ("", 0, &[]),
        ("", 3, &["Feed:a", "fed", "feed"]),
    ] {
        let found = store
            .state_keys(&workflow, &plugin, prefix, most)
            .await
            .expect("they are read");
        assert_eq!(found, expected, "{prefix} {most}");
    }
    let all = store
        .state_keys(&workflow, &plugin, "", 100)
        .await
        .expect("they are read");
    assert_eq!(all.len(), kept.len());
}
