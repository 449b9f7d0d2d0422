use autokestra_sdk::prelude::*;

/// Who is greeted.
#[derive(Input)]
struct Greet {
    /// A name.
    name: String,
    /// `en` where none is given.
    language: Option<String>,
}

/// What came of it.
#[derive(Output)]
struct Greeting {
    text: String,
}

/// Greets somebody.
#[action(idempotent, timeout = "10s")]
fn greet(context: &Context, input: Greet) -> Result<Greeting, TaskError> {
    log::info!("greeting", name = input.name, attempt = context.attempt);
    let word = match input.language.as_deref() {
        None | Some("en") => "Hello",
        Some("de") => "Guten Tag",
        Some(other) => {
            return Err(TaskError::new(
                "unknown_language",
                format!("nobody here speaks `{other}`"),
            ));
        }
    };
    Ok(Greeting {
        text: format!("{word}, {}!", input.name),
    })
}

plugin! {
    name: "acme/hello",
    actions: [greet],
}

#[cfg(test)]
mod tests {
    use super::*;
    use autokestra_sdk::testing::FakeHost;

    #[test]
    fn it_greets_in_two_languages() {
        let host = FakeHost::new().attempt(2);
        let greet = |language: Option<&str>| {
            let (name, language) = ("Ada".to_owned(), language.map(str::to_owned));
            greet(&host.context(), Greet { name, language }).map(|greeting| greeting.text)
        };
        assert_eq!(greet(None).unwrap(), "Hello, Ada!");
        assert_eq!(greet(Some("de")).unwrap(), "Guten Tag, Ada!");
        assert_eq!(greet(Some("la")).unwrap_err().code(), "unknown_language");
        assert_eq!(host.logs()[0].field("attempt"), Some("2"));
    }
}
