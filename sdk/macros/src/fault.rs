//! `#[derive(TaskError)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Token, Variant};

use crate::duration;

/// What stands in the brackets of `#[fails(…)]`.
enum Fails {
    /// The variant holds an error, and fails as that does.
    Transparent,
    /// A failure of its own.
    Own(Box<Own>),
}

struct Own {
    message: LitStr,
    code: Option<LitStr>,
    retryable: bool,
    retry_after: Option<u64>,
}

impl Parse for Fails {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident) {
            let word: Ident = input.parse()?;
            if word != "transparent" || !input.is_empty() {
                return Err(syn::Error::new(
                    word.span(),
                    "the message comes first: `#[fails(\"no invoice {id}\", code = \"…\")]`; or it is `transparent` alone",
                ));
            }
            return Ok(Self::Transparent);
        }
        let mut own = Own {
            message: input.parse()?,
            code: None,
            retryable: false,
            retry_after: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "code" => {
                    input.parse::<Token![=]>()?;
                    own.code = Some(code(input.parse()?)?);
                }
                "retryable" => own.retryable = true,
                "retry_after" => {
                    input.parse::<Token![=]>()?;
                    own.retry_after = Some(duration::millis(&input.parse()?)?);
                    // Who says when says that.
                    own.retryable = true;
                }
                other => {
                    let text = format!(
                        "`{other}` is unknown; there are `code = \"…\"`, `retryable` and `retry_after = \"30s\"`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            }
        }
        Ok(Self::Own(Box::new(own)))
    }
}

fn code(text: LitStr) -> syn::Result<LitStr> {
    let value = text.value();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if value.is_empty() || !value.chars().all(fits) {
        let why = format!("`{value}` is no code: it is made of a-z, 0-9 and `_`");
        return Err(syn::Error::new(text.span(), why));
    }
    Ok(text)
}

/// What the variants come to.
#[derive(Default)]
struct Made {
    conversions: Vec<TokenStream>,
    displays: Vec<TokenStream>,
    froms: Vec<TokenStream>,
}

pub(crate) fn derive(item: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &item.data else {
        return Err(syn::Error::new_spanned(
            &item.ident,
            "`TaskError` is derived by an enum, whose variants are the ways to fail",
        ));
    };
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.generics,
            "an enum of failures has no parameters",
        ));
    }
    let name = &item.ident;
    let mut made = Made::default();
    for variant in &data.variants {
        match fails(variant)? {
            Fails::Transparent => transparent(name, variant, &mut made)?,
            Fails::Own(own) => failure(name, variant, &own, &mut made),
        }
    }
    let Made {
        conversions,
        displays,
        froms,
    } = made;
    Ok(quote! {
        #[automatically_derived]
        impl ::core::convert::From<#name> for ::autokestra_sdk::TaskError {
            fn from(error: #name) -> Self {
                let message = ::std::string::ToString::to_string(&error);
                match error { #(#conversions)* }
            }
        }

        #[automatically_derived]
        // A message need not name all fields of its variant.
        #[allow(unused_variables)]
        impl ::core::fmt::Display for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#displays)* }
            }
        }

        #(#froms)*
    })
}

/// The attribute of a variant.
fn fails(variant: &Variant) -> syn::Result<Fails> {
    let mut found = variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("fails"));
    let attribute = found.next().ok_or_else(|| {
        let text = "this way to fail has no message: put `#[fails(\"…\")]` above it, or `#[fails(transparent)]`";
        syn::Error::new(variant.ident.span(), text)
    })?;
    if let Some(second) = found.next() {
        return Err(syn::Error::new_spanned(second, "a variant fails in one way"));
    }
    attribute.parse_args()
}

/// A variant that holds another error.
fn transparent(name: &Ident, variant: &Variant, made: &mut Made) -> syn::Result<()> {
    let ident = &variant.ident;
    let inner = match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first(),
        Fields::Unnamed(_) | Fields::Named(_) | Fields::Unit => None,
    };
    let Some(field) = inner else {
        return Err(syn::Error::new(
            ident.span(),
            "what is transparent holds one error: `Http(http::Error)`",
        ));
    };
    let ty = &field.ty;
    made.conversions
        .push(quote!(#name::#ident(error) => ::core::convert::Into::into(error),));
    made.displays
        .push(quote!(#name::#ident(error) => ::core::fmt::Display::fmt(error, f),));
    made.froms.push(quote! {
        #[automatically_derived]
        impl ::core::convert::From<#ty> for #name {
            fn from(error: #ty) -> Self {
                Self::#ident(error)
            }
        }
    });
    Ok(())
}

/// A variant that is a failure of its own.
fn failure(name: &Ident, variant: &Variant, own: &Own, made: &mut Made) {
    let ident = &variant.ident;
    let code = own
        .code
        .clone()
        .unwrap_or_else(|| LitStr::new(&snake(&ident.to_string()), ident.span()));
    let new = if own.retryable { quote!(retryable) } else { quote!(new) };
    let wait = own
        .retry_after
        .map(|millis| quote!(.retry_after(::core::time::Duration::from_millis(#millis))));
    made.conversions.push(quote! {
        #name::#ident { .. } => ::autokestra_sdk::TaskError::#new(#code, message) #wait,
    });
    let (pattern, message) = match &variant.fields {
        Fields::Named(fields) => {
            let names = fields.named.iter().map(|field| &field.ident);
            (quote!({ #(#names),* }), own.message.clone())
        }
        Fields::Unnamed(fields) => {
            let names = (0..fields.unnamed.len()).map(|index| format_ident!("_{index}"));
            (quote!((#(#names),*)), numbered(&own.message))
        }
        Fields::Unit => (quote!(), own.message.clone()),
    };
    made.displays
        .push(quote!(#name::#ident #pattern => ::core::write!(f, #message),));
}

/// `{0}` is the first field: `{_0}`, as it is bound.
fn numbered(message: &LitStr) -> LitStr {
    let text = message.value();
    let mut made = String::with_capacity(text.len() + 4);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        made.push(letter);
        if letter == '{' {
            match letters.peek() {
                // A brace of the text.
                Some('{') => made.extend(letters.next()),
                Some(digit) if digit.is_ascii_digit() => made.push('_'),
                Some(_) | None => {}
            }
        }
    }
    LitStr::new(&made, message.span())
}

/// `NotFound` as `not_found`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
