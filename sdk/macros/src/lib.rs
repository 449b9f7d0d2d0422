//! The macros of `autokestra-sdk`, which documents them.

mod action;
mod data;
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

/// Makes a function an action: `fn(&Context, Input) -> Result<Output, TaskError>`, of which both parameters may be missing.
///
/// Its doc comment is the description. `#[action(idempotent)]` says that running it twice is the same as once, `name = "…"` and
/// `title = "…"` replace what is made of the function's name.
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
