//! A run that goes on for as long as a test wants.

use std::process::Child;
use std::sync::mpsc::{Sender, channel};

use crate::process::{Place, Run};
use crate::server::{Server, response};

/// A run whose request to this process is answered when the test lets it go on, or ends.
pub(crate) struct Held {
    run: Child,
    go: Sender<()>,
    _server: Server,
}

impl Held {
    /// Starts `run …` with an input `url`, and waits until it asks there.
    pub(crate) fn start(place: &Place, line: &str) -> Self {
        let (asked, is_asked) = channel();
        let (go, may_go) = channel::<()>();
        let server = Server::start(move |_, _| {
            asked.send(()).expect("the test listens");
            // A test that is over lets it go on too.
            may_go.recv().unwrap_or_default();
            response("200 OK", "text/plain", "hello")
        });
        let run = place.spawn(&format!("{line} --input url=http://127.0.0.1:{}/", server.port));
        is_asked.recv().expect("the run comes to it");
        Self {
            run,
            go,
            _server: server,
        }
    }

    /// Lets it go on to its end.
    pub(crate) fn go_on(self, place: &Place) -> Run {
        self.let_go();
        self.end(place)
    }

    /// Lets it go on, and does not wait for it.
    pub(crate) fn let_go(&self) {
        self.go.send(()).expect("the server waits");
    }

    /// Waits for its end.
    pub(crate) fn end(self, place: &Place) -> Run {
        place.finish(self.run)
    }
}
