//! What a script can do besides computing: files and HTTP, as far as the workflow grants them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use autokestra_sdk::TaskError;
use autokestra_sdk::http::Request;
use boa_engine::object::ObjectInitializer;
use boa_engine::object::builtins::{JsArray, JsUint8Array};
use boa_engine::property::Attribute;
use boa_engine::{Context, JsArgs as _, JsResult, JsString, JsValue, NativeFunction, Source, js_string};

/// The half of it that is JavaScript.
const PRELUDE: &str = include_str!("prelude.js");

/// Puts `fetch`, `readFile` and the others into the global object.
pub(crate) fn install(context: &mut Context) -> JsResult<()> {
    let host = ObjectInitializer::new(context)
        .function(NativeFunction::from_fn_ptr(read), js_string!("read"), 1)
        .function(NativeFunction::from_fn_ptr(write), js_string!("write"), 3)
        .function(NativeFunction::from_fn_ptr(list), js_string!("list"), 1)
        .function(NativeFunction::from_fn_ptr(send), js_string!("send"), 6)
        .build();
    let prelude = context.eval(Source::from_bytes(PRELUDE).with_path(Path::new("<host>")))?;
    if let Some(prelude) = prelude.as_callable() {
        prelude.call(&JsValue::undefined(), &[host.into()], context)?;
    }
    Ok(())
}

/// Gives a result to the prelude: `[null, value]`, or `[{ code, message, retryable }]`, which it throws.
fn answer(result: JsResult<Result<JsValue, TaskError>>, context: &mut Context) -> JsResult<JsValue> {
    let items = match result? {
        Ok(value) => vec![JsValue::null(), value],
        Err(error) => {
            let error = ObjectInitializer::new(context)
                .property(js_string!("code"), JsString::from(error.code()), Attribute::all())
                .property(js_string!("message"), JsString::from(error.message()), Attribute::all())
                .property(js_string!("retryable"), error.is_retryable(), Attribute::all())
                .build();
            vec![error.into()]
        }
    };
    Ok(JsArray::from_iter(items, context).into())
}

fn text(args: &[JsValue], index: usize, context: &mut Context) -> JsResult<String> {
    Ok(args.get_or_undefined(index).to_string(context)?.to_std_string_lossy())
}

/// Bytes of a `Uint8Array`, or of text as UTF-8.
fn bytes(value: &JsValue, context: &mut Context) -> JsResult<Vec<u8>> {
    match value.as_object() {
        Some(object) => JsUint8Array::from_object(object)?.to_vec(context),
        None => Ok(value.to_string(context)?.to_std_string_lossy().into_bytes()),
    }
}

/// Bytes as a string, or as a `Uint8Array`.
fn value_of(bytes: Vec<u8>, as_text: bool, context: &mut Context) -> JsResult<JsValue> {
    if as_text {
        return Ok(JsString::from(String::from_utf8_lossy(&bytes).as_ref()).into());
    }
    Ok(JsUint8Array::from_iter(bytes, context)?.into())
}

/// `read(path, asText)`.
fn read(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let path = text(args, 0, context)?;
    let as_text = args.get_or_undefined(1).to_boolean();
    let result = match fs::read(&path) {
        Ok(bytes) if as_text && std::str::from_utf8(&bytes).is_err() => {
            let wrong = format!("{path}: it is no UTF-8; read it as \"bytes\"");
            Ok(Err(TaskError::new("invalid_utf8", wrong)))
        }
        Ok(bytes) => value_of(bytes, as_text, context).map(Ok),
        Err(error) => Ok(Err(TaskError::from(error).context(path))),
    };
    answer(result, context)
}

/// `write(path, content, append)`.
fn write(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let path = text(args, 0, context)?;
    let content = bytes(args.get_or_undefined(1), context)?;
    let append = args.get_or_undefined(2).to_boolean();
    let mut options = OpenOptions::new();
    options.create(true).append(append).write(true).truncate(!append);
    let written = options.open(&path).and_then(|mut file| file.write_all(&content));
    let result = written.map_err(|error| TaskError::from(error).context(path));
    answer(Ok(result.map(|()| JsValue::undefined())), context)
}

/// `list(path)`: the names of what is in a folder, in order.
fn list(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let path = text(args, 0, context)?;
    let names = fs::read_dir(&path).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<std::io::Result<Vec<String>>>()
    });
    let result = match names {
        Ok(mut names) => {
            names.sort();
            let names = names.iter().map(|name| JsString::from(name.as_str()).into());
            let names = names.collect::<Vec<JsValue>>();
            Ok(JsArray::from_iter(names, context).into())
        }
        Err(error) => Err(TaskError::from(error).context(path)),
    };
    answer(Ok(result), context)
}

/// `send(method, url, headers, body, redirects, timeoutMs)`: the status, the headers as pairs, and the body.
fn send(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (method, url) = (text(args, 0, context)?, text(args, 1, context)?);
    let mut request = Request::new(&method, &url);
    let headers = JsArray::from_object(args.get_or_undefined(2).to_object(context)?)?;
    for index in 0..headers.length(context)? {
        let pair = headers.get(index, context)?.to_object(context)?;
        let (name, value) = (pair.get(0, context)?, pair.get(1, context)?);
        let (name, value) = (name.to_string(context)?, value.to_string(context)?);
        request = request.header(name.to_std_string_lossy(), value.to_std_string_lossy().into_bytes());
    }
    let body = args.get_or_undefined(3);
    if !body.is_null_or_undefined() {
        request = request.body(bytes(body, context)?);
    }
    if !args.get_or_undefined(4).to_boolean() {
        request = request.redirects(0);
    }
    let limit = args.get_or_undefined(5);
    if !limit.is_undefined()
        && let Ok(limit) = Duration::try_from_secs_f64(limit.to_number(context)? / 1000.0)
    {
        request = request.timeout(limit);
    }
    let what = format!("{method} {url}");
    let received = request.send().and_then(|response| {
        let (status, headers) = (response.status(), response.headers().to_vec());
        Ok((status, headers, response.bytes()?))
    });
    let result = match received {
        Ok(received) => response(received, context).map(Ok),
        Err(error) => Ok(Err(TaskError::from(error).context(what))),
    };
    answer(result, context)
}

type Received = (u16, Vec<(String, Vec<u8>)>, Vec<u8>);

fn response((status, headers, body): Received, context: &mut Context) -> JsResult<JsValue> {
    let mut pairs = Vec::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(&value).into_owned();
        let pair = [
            JsString::from(name.as_str()).into(),
            JsString::from(value.as_str()).into(),
        ];
        pairs.push(JsValue::from(JsArray::from_iter(pair, context)));
    }
    let pairs = JsArray::from_iter(pairs, context);
    let is_text = std::str::from_utf8(&body).is_ok();
    let body = value_of(body, is_text, context)?;
    Ok(JsArray::from_iter([status.into(), pairs.into(), body], context).into())
}
