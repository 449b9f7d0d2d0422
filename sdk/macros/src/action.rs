//! `#[action]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{FnArg, Ident, ItemFn, LitStr, ReturnType, Token, Type};

use crate::duration;

/// What stands in the attribute's brackets.
#[derive(Default)]
pub(crate) struct Arguments {
    idempotent: bool,
    name: Option<LitStr>,
    title: Option<LitStr>,
    /// In milliseconds.
    timeout: Option<u64>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if seen.contains(&key) {
                return Err(syn::Error::new(key.span(), format!("`{key}` stands twice")));
            }
            seen.push(key.clone());
            match key.to_string().as_str() {
                "idempotent" => arguments.idempotent = true,
                "name" => {
                    input.parse::<Token![=]>()?;
                    arguments.name = Some(input.parse()?);
                }
                "title" => {
                    input.parse::<Token![=]>()?;
                    arguments.title = Some(input.parse()?);
                }
                "timeout" => {
                    input.parse::<Token![=]>()?;
                    arguments.timeout = Some(duration::millis(&input.parse()?)?);
                }
                other => {
                    let text = format!(
                        "`{other}` is unknown; there are `idempotent`, `name = \"…\"`, `timeout = \"30s\"` and `title = \"…\"`"
                    );
                    return Err(syn::Error::new(key.span(), text));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

/// The name of what `#[action]` puts beside a function.
pub(crate) fn entry_name(function: &Ident) -> Ident {
    format_ident!("__action_{}", function, span = function.span())
}

pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(syn::Error::new_spanned(
            token,
            "an action is no async function: an attempt has an instance of its own, so it may wait",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &signature.generics,
            "an action has no parameters of type",
        ));
    }
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(syn::Error::new(
            signature.paren_token.span.close(),
            "an action returns a `Result<Output, TaskError>`",
        ));
    };
    let call = call(function)?;
    let name = name(arguments, &signature.ident)?;
    let title = match &arguments.title {
        Some(title) => title.value(),
        None => title_of(&name),
    };
    let description = description(function);
    let (visibility, entry, idempotent) = (&function.vis, entry_name(&signature.ident), arguments.idempotent);
    let input = call.input;
    let invoke = call.invoke;
    let output_schema = output_type(output)?;
    // At the types, so that what is wrong with them is told there.
    let takes = quote_spanned!(input.span()=> ::autokestra_sdk::__private::input_schema::<#input>);
    let gives = quote_spanned!(output_schema.span()=> ::autokestra_sdk::__private::output_schema::<#output_schema>);
    let limited = limited(function, arguments.timeout);
    Ok(quote! {
        // An action owns its input, whatever it does with it.
        #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
        #limited

        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        #visibility const #entry: ::autokestra_sdk::__private::ActionEntry = ::autokestra_sdk::__private::ActionEntry {
            name: #name,
            title: #title,
            description: #description,
            idempotent: #idempotent,
            input_schema: #takes,
            output_schema: #gives,
            run: |context, input| {
                let _ = context;
                ::autokestra_sdk::__private::call(input, |input: #input| #invoke)
            },
        };
    })
}

/// The function, which begins by setting its own limit.
fn limited(function: &ItemFn, timeout: Option<u64>) -> TokenStream {
    let Some(millis) = timeout else {
        return quote!(#function);
    };
    let ItemFn { attrs, vis, sig, block } = function;
    quote! {
        #(#attrs)*
        #vis #sig {
            let _limit_of_the_action = ::autokestra_sdk::__private::limit(#millis);
            #block
        }
    }
}

struct Call {
    input: TokenStream,
    invoke: TokenStream,
}

/// How the function is called, by its parameters.
fn call(function: &ItemFn) -> syn::Result<Call> {
    let name = &function.sig.ident;
    let mut context = false;
    let mut input = None;
    for argument in &function.sig.inputs {
        let FnArg::Typed(argument) = argument else {
            return Err(syn::Error::new_spanned(argument, "an action is a function, no method"));
        };
        match &*argument.ty {
            Type::Reference(_) if !context && input.is_none() => context = true,
            Type::Reference(reference) => {
                return Err(syn::Error::new_spanned(
                    reference,
                    "the input is owned: take it by value",
                ));
            }
            _ if input.is_some() => {
                return Err(syn::Error::new_spanned(
                    argument,
                    "an action takes a `&Context` and one input; put more into the input's type",
                ));
            }
            ty => input = Some(ty),
        }
    }
    let no_input = quote!(::autokestra_sdk::__private::NoInput);
    Ok(match (context, input) {
        (false, None) => Call {
            input: no_input,
            invoke: quote!({
                let _ = input;
                #name()
            }),
        },
        (true, None) => Call {
            input: no_input,
            invoke: quote!({
                let _ = input;
                #name(context)
            }),
        },
        (false, Some(ty)) => Call {
            input: quote!(#ty),
            invoke: quote!(#name(input)),
        },
        (true, Some(ty)) => Call {
            input: quote!(#ty),
            invoke: quote!(#name(context, input)),
        },
    })
}

/// The first argument of the `Result` that a function returns.
fn output_type(output: &Type) -> syn::Result<&Type> {
    let wrong = || syn::Error::new_spanned(output, "an action returns a `Result<Output, TaskError>`");
    let Type::Path(path) = output else {
        return Err(wrong());
    };
    let last = path.path.segments.last().ok_or_else(wrong)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Err(wrong());
    };
    if last.ident != "Result" {
        return Err(wrong());
    }
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(ty)) => Ok(ty),
        _ => Err(wrong()),
    }
}

/// The action's name: the attribute's, or the function's with dashes.
fn name(arguments: &Arguments, function: &Ident) -> syn::Result<String> {
    let (name, span) = match &arguments.name {
        Some(name) => (name.value(), name.span()),
        None => (
            function.to_string().trim_start_matches("r#").replace('_', "-"),
            function.span(),
        ),
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(syn::Error::new(
            span,
            format!("`{name}` is no name of an action: it is made of a-z, 0-9 and `-`"),
        ));
    }
    Ok(name)
}

fn title_of(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

/// The doc comment of a function.
fn description(function: &ItemFn) -> String {
    let lines = function.attrs.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
