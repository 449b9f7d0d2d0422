//! `Input`, `Output` and `Data`.
//!
//! serde and schemars are derived on a twin of the type, so that a plugin's crate need not name them: serde's `remote` makes functions that read and
//! write the type itself by the twin's attributes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Fields, Meta, Visibility, parse_quote};

/// What the type is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Input,
    Output,
    Both,
}

pub(crate) fn derive(item: DeriveInput, usage: Use) -> syn::Result<TokenStream> {
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.generics,
            "a type of an action's input or output has no parameters: its schema is one",
        ));
    }
    if let Data::Union(union) = &item.data {
        return Err(syn::Error::new_spanned(union.union_token, "a union has no JSON"));
    }
    let name = item.ident.clone();
    let twin_name = format_ident!("{name}Twin");
    let text = name.to_string();
    let takes = usage != Use::Output;
    let gives = usage != Use::Input;
    let twin = twin(item, &twin_name, takes);
    let derives = match usage {
        Use::Input => quote!(serde::Deserialize),
        Use::Output => quote!(serde::Serialize),
        Use::Both => quote!(serde::Serialize, serde::Deserialize),
    };
    let reads = takes.then(|| {
        quote! {
            #[automatically_derived]
            impl<'de> serde::Deserialize<'de> for #name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                    #twin_name::deserialize(deserializer)
                }
            }
        }
    });
    let writes = gives.then(|| {
        quote! {
            #[automatically_derived]
            impl serde::Serialize for #name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                    #twin_name::serialize(self, serializer)
                }
            }
        }
    });
    let takes_it = takes.then(|| {
        quote! {
            #[automatically_derived]
            impl ::autokestra_sdk::__private::Takes for #name {}
        }
    });
    Ok(quote! {
        const _: () = {
            use ::autokestra_sdk::__private::{schemars, serde};

            #[derive(#derives, schemars::JsonSchema)]
            #[serde(crate = "::autokestra_sdk::__private::serde", remote = #text)]
            #[schemars(crate = "::autokestra_sdk::__private::schemars")]
            #twin

            #reads
            #writes
            #takes_it

            #[automatically_derived]
            impl schemars::JsonSchema for #name {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    <#twin_name as schemars::JsonSchema>::schema_name()
                }
                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(::core::concat!(::core::module_path!(), "::", #text))
                }
                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    <#twin_name as schemars::JsonSchema>::json_schema(generator)
                }
            }
        };
    })
}

/// The same type under another name, with the attributes that serde and schemars read.
fn twin(mut item: DeriveInput, twin_name: &syn::Ident, takes: bool) -> DeriveInput {
    let name = item.ident.to_string();
    let says = |attributes: &[Attribute], word: &str| attributes.iter().any(|attribute| mentions(attribute, word));
    keep(&mut item.attrs);
    if !says(&item.attrs, "rename") {
        item.attrs.push(parse_quote!(#[serde(rename = #name)]));
    }
    if !says(&item.attrs, "rename_all") {
        item.attrs.push(parse_quote!(#[serde(rename_all = "camelCase")]));
    }
    let mut flattens = false;
    match &mut item.data {
        Data::Struct(data) => {
            for field in &mut data.fields {
                keep(&mut field.attrs);
                flattens |= says(&field.attrs, "flatten");
            }
            let named = matches!(data.fields, Fields::Named(_));
            let shaped = ["deny_unknown_fields", "transparent", "from", "try_from"];
            if takes && named && !flattens && !shaped.iter().any(|word| says(&item.attrs, word)) {
                item.attrs.push(parse_quote!(#[serde(deny_unknown_fields)]));
            }
        }
        Data::Enum(data) => {
            if !says(&item.attrs, "rename_all_fields") {
                item.attrs.push(parse_quote!(#[serde(rename_all_fields = "camelCase")]));
            }
            for variant in &mut data.variants {
                keep(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| keep(&mut field.attrs));
            }
        }
        Data::Union(_) => {}
    }
    item.vis = Visibility::Inherited;
    item.ident = twin_name.clone();
    // The twin is never made: it only says how.
    item.attrs
        .push(parse_quote!(#[allow(dead_code, missing_docs, missing_debug_implementations)]));
    item
}

/// Keeps the attributes that serde and schemars read.
fn keep(attributes: &mut Vec<Attribute>) {
    let read = ["doc", "serde", "schemars", "deprecated", "cfg"];
    attributes.retain(|attribute| read.iter().any(|name| attribute.path().is_ident(name)));
}

/// Whether a `serde` attribute holds a word.
fn mentions(attribute: &Attribute, word: &str) -> bool {
    let mut found = false;
    if attribute.path().is_ident("serde") && matches!(attribute.meta, Meta::List(_)) {
        // serde itself reports what it cannot read.
        let parsed = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(word);
            if meta.input.peek(syn::Token![=]) {
                let _value: syn::Expr = meta.value()?.parse()?;
            } else if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                let _inner: TokenStream = content.parse()?;
            }
            Ok(())
        });
        drop(parsed);
    }
    found
}
