//! `plugin!`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Path, Token, bracketed};

use crate::action::entry_name;

/// What stands in the braces.
pub(crate) struct Plugin {
    name: LitStr,
    description: Option<LitStr>,
    actions: Punctuated<Path, Token![,]>,
}

impl Parse for Plugin {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut name, mut description, mut actions) = (None, None, None);
        let whole = input.span();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            let twice = match key.to_string().as_str() {
                "name" => name.is_some(),
                "description" => description.is_some(),
                "actions" => actions.is_some(),
                _ => false,
            };
            if twice {
                return Err(syn::Error::new(key.span(), format!("`{key}` stands twice")));
            }
            match key.to_string().as_str() {
                "name" => name = Some(input.parse::<LitStr>()?),
                "description" => description = Some(input.parse()?),
                "actions" => {
                    let list;
                    bracketed!(list in input);
                    actions = Some(list.parse_terminated(Path::parse_mod_style, Token![,])?);
                }
                other => {
                    let text = format!("`{other}` is unknown; there are `name`, `description` and `actions`");
                    return Err(syn::Error::new(key.span(), text));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let missing = |what: &str| syn::Error::new(whole, format!("`{what}` is missing"));
        Ok(Self {
            name: name.ok_or_else(|| missing("name"))?,
            description,
            actions: actions.ok_or_else(|| missing("actions"))?,
        })
    }
}

pub(crate) fn expand(plugin: &Plugin) -> syn::Result<TokenStream> {
    let name = plugin.name.value();
    let fits = |part: &str| {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(letter)
    };
    if !name
        .split_once('/')
        .is_some_and(|(space, name)| fits(space) && fits(name))
    {
        return Err(syn::Error::new(
            plugin.name.span(),
            format!("`{name}` is no name of a plugin: it is `namespace/plugin`, made of a-z, 0-9 and `-`"),
        ));
    }
    if plugin.actions.is_empty() {
        return Err(syn::Error::new(plugin.name.span(), "a plugin has at least one action"));
    }
    let mut entries = Vec::new();
    let mut seen = BTreeSet::new();
    for action in &plugin.actions {
        if !seen.insert(action.to_token_stream().to_string()) {
            return Err(syn::Error::new_spanned(action, "this action stands twice"));
        }
        let mut path = action.clone();
        let last = path
            .segments
            .last_mut()
            .ok_or_else(|| syn::Error::new_spanned(action, "this names no function"))?;
        last.ident = entry_name(&last.ident);
        entries.push(path);
    }
    let description = match &plugin.description {
        Some(text) => quote!(#text),
        None => quote!(::core::env!("CARGO_PKG_DESCRIPTION")),
    };
    let name = &plugin.name;
    Ok(quote! {
        #[doc(hidden)]
        const __ACTIONS: &[::autokestra_sdk::__private::ActionEntry] = &[#(#entries),*];

        const _: () = ::autokestra_sdk::__private::names_differ(__ACTIONS);

        #[cfg(target_family = "wasm")]
        const _: () = {
            use ::autokestra_sdk::__private as sdk;

            struct Plugin;

            impl sdk::bindings::Guest for Plugin {
                fn describe() -> sdk::bindings::Manifest {
                    sdk::manifest(#name, ::core::env!("CARGO_PKG_VERSION"), #description, __ACTIONS)
                }
                fn run(
                    action: ::std::string::String,
                    context: sdk::bindings::Context,
                    input: ::std::string::String,
                ) -> ::core::result::Result<::std::string::String, sdk::bindings::TaskError> {
                    sdk::run(__ACTIONS, &action, context, &input)
                }
            }

            sdk::bindings::export_component!(Plugin with_types_in sdk::bindings);
        };

        #[cfg(not(target_family = "wasm"))]
        const _: (&str, &str, &[::autokestra_sdk::__private::ActionEntry]) = (#name, #description, __ACTIONS);
    })
}
