//! The macros of `autokestra-sdk`, which documents them.

mod action;
mod data;
mod duration;
mod fault;
mod plugin;

use proc_macro::TokenStream;

/// Makes a type one that actions take: read by serde, described by a JSON Schema with the doc comments in it.
///
/// Fields are `camelCase` unless a serde attribute says otherwise, and unknown ones are refused. serde's attributes work. A type that
/// is output as well derives [`macro@Data`] instead.
#[proc_macro_derive(Input, attributes(serde, schemars))]
pub fn derive_input(item: TokenStream) -> TokenStream {
    expand(item, |item| data::derive(item, data::Use::Input))
}

/// Makes a type one that actions give: written by serde, described by a JSON Schema with the doc comments in it.
///
/// A type that is input as well derives [`macro@Data`] instead.
#[proc_macro_derive(Output, attributes(serde, schemars))]
pub fn derive_output(item: TokenStream) -> TokenStream {
    expand(item, |item| data::derive(item, data::Use::Output))
}

/// Makes a type one that actions take and give: both [`macro@Input`] and [`macro@Output`].
#[proc_macro_derive(Data, attributes(serde, schemars))]
pub fn derive_data(item: TokenStream) -> TokenStream {
    expand(item, |item| data::derive(item, data::Use::Both))
}

/// Makes an enum of the ways to fail one that turns into a task error: each variant has its message, code and whether to try again.
///
/// `#[fails("no invoice {id}")]` is the message; fields are captured by name, or as `{0}`. `code = "…"` is the variant's name in `snake_case` unless it
/// stands there, `retryable` lets the workflow try again, `retry_after = "30s"` not before that. `#[fails(transparent)]` on a variant that holds
/// one other error fails as that does, and makes `?` turn it into the variant. The enum has a `Display` then.
#[proc_macro_derive(TaskError, attributes(fails))]
pub fn derive_task_error(item: TokenStream) -> TokenStream {
    expand(item, |item: syn::DeriveInput| fault::derive(&item))
}

/// Makes a function an action: `fn(&Context, Input) -> Result<Output, TaskError>`, of which both parameters may be missing.
///
/// Its doc comment is the description. `#[action(idempotent)]` says that running it twice is the same as once, `name = "…"` and
/// `title = "…"` replace what is made of the function's name. `timeout = "30s"` is the time that the action gives itself: the HTTP requests that
/// it makes end with it, and `Context::time_left` and `check_time` know it. What stops an attempt in whatever it does is the workflow's
/// `timeoutSeconds`. An action may return any error that turns into a `TaskError`.
#[proc_macro_attribute]
pub fn action(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as action::Arguments);
    expand(item, |item: syn::ItemFn| action::expand(&arguments, &item))
}

/// Makes a crate a plugin: `plugin! { name: "acme/report", actions: [render] }`.
///
/// The version is the crate's; the description is too, unless `description: "…"` stands there.
#[proc_macro]
pub fn plugin(item: TokenStream) -> TokenStream {
    expand(item, |item: plugin::Plugin| plugin::expand(&item))
}

fn expand<T: syn::parse::Parse>(
    item: TokenStream,
    with: impl FnOnce(T) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    syn::parse(item)
        .and_then(with)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
