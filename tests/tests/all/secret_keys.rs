//! The keys of the secret store: where they are looked for, what is told of wrong ones, and rotations that are cut off.

use std::os::unix::fs::PermissionsExt as _;

use crate::process::{Place, Run};
use crate::secrets::{DIGEST, digest, given, set};

/// A place with one stored secret.
fn place() -> Place {
    let place = Place::with_flow(DIGEST);
    set(&place, "TOKEN", "hidden-word");
    place
}

/// The text of a key file: its last line.
fn key(place: &Place, name: &str) -> String {
    let text = place.read(name);
    text.lines().last().expect("a line").to_owned()
}

fn chmod(place: &Place, name: &str, mode: u32) {
    std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode)).expect("it is set");
}

/// Changes the database past the program.
fn sql(place: &Place, sql: &str) {
    let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
    database.execute_batch(sql).expect("it is changed");
}

/// What was said of an error, with keys' fingerprints made the same.
fn told(run: &Run, place: &Place) -> String {
    let fingerprint = regex::Regex::new(r"\b[0-9a-f]{16}\b").expect("a good pattern");
    fingerprint
        .replace_all(&run.redacted(place), "<fingerprint-->")
        .into_owned()
}

#[test]
fn what_is_wrong_with_a_key_is_told_with_what_to_do() {
    let mut place = place();
    let good = key(&place, "data/secrets.key");
    let check = |name: &str, place: &Place, code: i32| {
        let run = place.run("run flow.yaml").code(code);
        assert!(!run.stderr.contains(&good), "{run:?}");
        insta::assert_snapshot!(format!("key-{name}"), told(&run, place));
    };
    chmod(&place, "data/secrets.key", 0o640);
    check("exposed", &place, 2);
    chmod(&place, "data/secrets.key", 0o600);
    std::fs::rename(place.path("data/secrets.key"), place.path("moved.key")).expect("it is moved");
    check("missing", &place, 2);
    place.write("data/secrets.key", "hunter22 is no key\n");
    chmod(&place, "data/secrets.key", 0o600);
    check("malformed", &place, 2);
    place.write("data/secrets.key", &format!("# another\n{}\n", "5".repeat(64)));
    check("wrong", &place, 2);
    place.set("WORKFLOW_SECRETS_KEY", "hunter22 is no key");
    check("malformed-variable", &place, 2);
    place.set("WORKFLOW_SECRETS_KEY", &"a".repeat(64));
    check("wrong-variable", &place, 2);
    // The variable wins over the file, which is another key still.
    place.set("WORKFLOW_SECRETS_KEY", &good);
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
    let shown = place.run("config show").code(0);
    assert!(
        !(shown.stdout + &shown.stderr).contains("SECRETS_KEY "),
        "it is no setting, and none that is unknown"
    );
    let run = place.run("config check").code(0);
    assert!(run.stderr.is_empty(), "{run:?}");
}

#[test]
fn what_was_changed_in_the_database_does_not_open() {
    let place = place();
    set(&place, "OTHER", "second-word");
    let restore = "UPDATE secrets SET sealed = (SELECT sealed FROM kept WHERE kept.name = secrets.name);";
    sql(&place, "CREATE TABLE kept AS SELECT name, sealed FROM secrets;");
    let check = |name: &str, change: &str| {
        sql(&place, change);
        let run = place.run("run flow.yaml").code(3);
        insta::assert_snapshot!(format!("key-{name}"), told(&run, &place));
        sql(&place, restore);
    };
    check(
        "swapped-values",
        "UPDATE secrets SET sealed = (SELECT sealed FROM kept WHERE kept.name <> secrets.name);",
    );
    check("cut-value", "UPDATE secrets SET sealed = x'01' WHERE name = 'TOKEN';");
    // Only the damaged one is lost, and it is set anew.
    sql(&place, "UPDATE secrets SET sealed = x'01' WHERE name = 'TOKEN';");
    set(&place, "TOKEN", "third-word");
    assert_eq!(given(&place, "run flow.yaml"), digest("third-word"));
    // A part of a blob is a blob still, so it is the cipher that finds what is missing, and not the database.
    check(
        "damaged-key",
        "UPDATE secret_keys SET sealed = substr(sealed, 1, length(sealed) - 1);",
    );
}

#[test]
fn a_database_opens_with_its_own_key_alone() {
    let (first, second) = (place(), place());
    for name in ["data/db.sqlite", "data/db.sqlite-wal"] {
        drop(std::fs::remove_file(second.path(name)));
        drop(std::fs::copy(first.path(name), second.path(name)));
    }
    let run = second.run("run flow.yaml").code(2);
    assert!(
        run.stderr.contains("the secret store is sealed with the master key"),
        "{run:?}"
    );
    // Named, as a path of the configuration's own folder.
    second.write(
        "elsewhere/config.yaml",
        "secrets: { keyFile: keys/first.key }\nstorage: { path: ../data/db.sqlite }\n",
    );
    std::fs::create_dir(second.path("elsewhere/keys")).expect("made");
    std::fs::copy(first.path("data/secrets.key"), second.path("elsewhere/keys/first.key")).expect("copied");
    let line = "run flow.yaml --config elsewhere/config.yaml";
    assert_eq!(given(&second, line), digest("hidden-word"));
}

#[test]
fn a_rotation_changes_keys_and_no_value() {
    let mut place = place();
    let sealed = |place: &Place| -> (String, Vec<u8>, Vec<u8>) {
        let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
        let sql = "SELECT k.id, k.sealed, s.sealed FROM secrets s JOIN secret_keys k ON k.id = s.key";
        let row = database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        row.expect("one row")
    };
    let before = sealed(&place);
    let run = place.run("secret rotate-key").code(0);
    assert_eq!(run.stdout, "1 secret encrypted by a new data key\n");
    let after = sealed(&place);
    assert!(before.0 != after.0 && before.1 != after.1 && before.2 != after.2);
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
    let run = place.run("secret rotate-key --new-key-file new.key").code(0);
    insta::assert_snapshot!("rotate-new-key", told(&run, &place));
    assert_eq!(
        place.path("new.key").metadata().expect("a key").permissions().mode() & 0o777,
        0o600
    );
    place.run("run flow.yaml").code(2);
    let again = place.run("secret rotate-key --new-key-file new.key").code(2);
    insta::assert_snapshot!("rotate-same-key", told(&again, &place));
    place.set("WORKFLOW_SECRETS_KEY_FILE", "new.key");
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
    let run = place.run("secret rotate-key --new-key-file nowhere/new.key").code(3);
    insta::assert_snapshot!("rotate-no-folder", told(&run, &place));
    chmod(&place, "data/secrets.key", 0o604);
    place.run("secret rotate-key --new-key-file data/secrets.key").code(2);
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
    let empty = Place::new();
    let run = empty.run("secret rotate-key --new-key-file new.key").code(1);
    insta::assert_snapshot!("rotate-empty", told(&run, &empty));
    assert!(!empty.path("new.key").exists());
}

#[test]
fn a_rotation_that_dies_leaves_the_old_keys_or_the_new() {
    for point in ["commit.begun", "commit.applied", "commit.done"] {
        for file in ["", " --new-key-file new.key"] {
            let mut place = place();
            set(&place, "OTHER", "second-word");
            place.set("AUTOKESTRA_FAILPOINT", point);
            let died = place.run(&format!("secret rotate-key{file}"));
            assert_eq!(died.code, -1, "{died:?}");
            place.set("AUTOKESTRA_FAILPOINT", "");
            let done = point == "commit.done";
            if !file.is_empty() {
                // The new key was whole before anything was sealed by it.
                assert!(place.path("new.key").exists());
                let run = place.run("run flow.yaml --no-progress");
                assert_eq!(run.code, if done { 2 } else { 0 }, "{point}: {run:?}");
                let again = place.run("secret rotate-key --new-key-file new.key");
                assert_eq!(again.code, if done { 2 } else { 0 }, "{point}: {again:?}");
                place.set("WORKFLOW_SECRETS_KEY_FILE", "new.key");
            }
            assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"), "{point}{file}");
            place.run("secret rotate-key").code(0);
            assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"), "{point}{file}");
        }
    }
}

/// Puts a program into the place of libsecret's.
fn secret_tool(place: &mut Place, script: &str) {
    place.write("bin/secret-tool", &format!("#!/bin/sh\n{script}\n"));
    chmod(place, "bin/secret-tool", 0o755);
    let path = format!("{}:/usr/bin:/bin", place.path("bin").display());
    place.set("PATH", &path);
}

#[test]
fn the_keyring_has_the_key_where_it_is_to_be_asked() {
    let mut place = Place::with_flow(DIGEST);
    place.set("WORKFLOW_SECRETS_KEYRING", "true");
    std::fs::create_dir(place.path("ring")).expect("made");
    // Called as `lookup application autokestra master-key <fingerprint>`, and `store --label=…` with the same.
    secret_tool(
        &mut place,
        "case \"$1\" in lookup) cat \"$HOME/ring/$5\" 2>/dev/null ;; store) cat > \"$HOME/ring/$6\" ;; esac",
    );
    let made = place.run_with_input("secret set TOKEN", b"hidden-word").code(0);
    assert!(made.stderr.contains("made a master key in the keyring"), "{made:?}");
    assert!(!place.path("data/secrets.key").exists());
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
    place.run("secret rotate-key").code(0);
    assert_eq!(std::fs::read_dir(place.path("ring")).expect("a folder").count(), 1);
    secret_tool(&mut place, "exit 1");
    insta::assert_snapshot!("keyring-no-key", told(&place.run("run flow.yaml").code(2), &place));
    secret_tool(
        &mut place,
        "echo 'secret-tool: Cannot autolaunch D-Bus without X11 $DISPLAY' >&2; exit 1",
    );
    insta::assert_snapshot!("keyring-silent", told(&place.run("run flow.yaml").code(3), &place));
    // One that says that it keeps a key, and does not.
    place.run("secret delete TOKEN").code(0);
    secret_tool(&mut place, "[ \"$1\" = store ]");
    let lost = place.run_with_input("secret set TOKEN", b"hidden-word").code(3);
    assert!(
        lost.stderr.contains("does not have the key that it was given"),
        "{lost:?}"
    );
    place.set("PATH", "/nowhere");
    let run = place.run_with_input("secret set TOKEN", b"hidden-word").code(3);
    insta::assert_snapshot!("keyring-no-program", told(&run, &place));
    assert_eq!(
        place.run("secret list --json").code(0).json()["secrets"],
        serde_json::json!([])
    );
}
