//! A value that a person types, on a terminal of the test's own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::process::{Place, workflow_binary};
use crate::secrets::{DIGEST, digest, given};

/// `workflow secret set TOKEN` on a terminal, and the side of the terminal that types.
fn start(place: &Place) -> (Child, File) {
    let terminal = openpty(None, None).expect("a terminal");
    let same = || Stdio::from(terminal.slave.try_clone().expect("a handle"));
    // In a session of its own, whose terminal this is: then it is `/dev/tty`.
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", "--wait"])
        .arg(workflow_binary())
        .args(["secret", "set", "TOKEN"]);
    command
        .current_dir(place.root())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let child = command.stdin(same()).stdout(same()).stderr(same()).spawn();
    (
        child.expect("setsid is part of the system"),
        File::from(terminal.master),
    )
}

fn shows_what_is_typed(typing: &File) -> bool {
    tcgetattr(typing)
        .expect("a terminal")
        .local_flags
        .contains(LocalFlags::ECHO)
}

/// Types once nothing is shown any more, and gives all that was shown.
fn types(mut child: Child, mut typing: File, keys: &[u8]) -> (Option<i32>, String) {
    while shows_what_is_typed(&typing) {
        assert!(
            child.try_wait().expect("it is asked").is_none(),
            "it ended without asking"
        );
        std::thread::yield_now();
    }
    typing.write_all(keys).expect("it is typed");
    let mut shown = Vec::new();
    // The end of a terminal that nobody has open is an error.
    drop(typing.read_to_end(&mut shown));
    let code = child.wait().expect("it ends").code();
    assert!(shows_what_is_typed(&typing), "the terminal is left as it was");
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_value_is_asked_for_and_not_shown() {
    let place = Place::with_flow(DIGEST);
    let (child, typing) = start(&place);
    let (code, shown) = types(child, typing, b"hidden-wort\x7fd\r");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("Value of TOKEN (not shown): ") && shown.contains("set TOKEN"),
        "{shown}"
    );
    assert!(!shown.contains("hidden"), "{shown}");
    assert_eq!(given(&place, "run flow.yaml"), digest("hidden-word"));
}

#[test]
fn ctrl_c_sets_nothing_and_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let (child, typing) = start(&place);
    let (code, shown) = types(child, typing, b"hidden\x03");
    assert_eq!(code, Some(130), "{shown}");
    assert!(
        shown.contains("nothing was set") && !shown.contains("hidden"),
        "{shown}"
    );
    assert_eq!(
        place.run("secret list --json").code(0).json()["secrets"],
        serde_json::json!([])
    );
}
