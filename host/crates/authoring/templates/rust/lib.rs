//! `@plugin@`: greets people.

use autokestra_sdk::prelude::*;

/// Who is greeted.
#[derive(Input)]
struct Greet {
    /// The name of somebody.
    name: String,
}

/// What was said.
#[derive(Debug, Output, PartialEq)]
struct Greeting {
    /// The whole greeting.
    text: String,
}

/// Greets somebody by name.
#[action(idempotent)]
fn greet(input: Greet) -> Result<Greeting, TaskError> {
    let name = input.name.trim();
    if name.is_empty() {
        return Err(TaskError::new("no_name", "`name` is empty: say who is to be greeted"));
    }
    log::info!("greeting", name = name);
    Ok(Greeting {
        text: format!("Hello, {name}!"),
    })
}

plugin! {
    name: "@plugin@",
    actions: [greet],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_greets_by_name() {
        let greeting = greet(Greet { name: "Ada".into() }).expect("Ada is a name");
        assert_eq!(greeting.text, "Hello, Ada!");
    }

    #[test]
    fn it_wants_a_name() {
        assert_eq!(greet(Greet { name: " ".into() }).expect_err("no name").code(), "no_name");
    }
}
