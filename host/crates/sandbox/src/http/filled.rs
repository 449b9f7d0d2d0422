//! Bodies that bound secrets are put into or taken out of, as they stream by.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use autokestra_secrets::MaskStream;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::Error;

use super::secrets::{Encoding, Unsent, clean_values, deny, replaced};
use crate::bound::Bound;
use crate::network::Target;

/// A request's body with values in place of placeholders, wherever its pieces are cut.
pub(super) struct Filled<B> {
    body: Pin<Box<B>>,
    bound: Arc<Bound>,
    target: Target,
    encoding: Encoding,
    /// The end of what came, where it could be the beginning of a placeholder.
    held: Vec<u8>,
    /// Trailers that wait behind what was held.
    trailers: Option<Frame<Bytes>>,
    ended: bool,
    denying: Option<BoxFuture<'static, Error>>,
}

impl<B: Body<Data = Bytes, Error = Error>> Filled<B> {
    pub(super) fn new(body: B, bound: Arc<Bound>, target: Target, encoding: Encoding) -> Self {
        Self {
            body: Box::pin(body),
            bound,
            target,
            encoding,
            held: Vec::new(),
            trailers: None,
            ended: false,
            denying: None,
        }
    }

    /// What is sure to be whole of the held bytes, with its values. All of them where nothing more comes.
    fn release(&mut self, last: bool) -> Result<Bytes, Unsent> {
        let begun = if last { 0 } else { self.bound.begun(&self.held) };
        let rest = self.held.split_off(self.held.len() - begun);
        let sure = std::mem::replace(&mut self.held, rest);
        replaced(&self.bound, &sure, &self.target, self.encoding).map(Bytes::from)
    }

    fn refuse(&mut self, unsent: Unsent) {
        let (bound, target) = (Arc::clone(&self.bound), self.target.clone());
        self.denying = Some(Box::pin(async move { deny(&bound, &unsent, &target).await }));
    }
}

impl<B: Body<Data = Bytes, Error = Error>> Body for Filled<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(denying) = &mut self.denying {
                let error = std::task::ready!(denying.as_mut().poll(context));
                (self.denying, self.ended) = (None, true);
                self.held.clear();
                return Poll::Ready(Some(Err(error)));
            }
            if self.ended {
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            let last = match std::task::ready!(self.body.as_mut().poll_frame(context)) {
                None => true,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.held.extend_from_slice(&data);
                        false
                    }
                    // Trailers are the end of a body, and no place for a secret.
                    Err(trailers) => {
                        let mut values = trailers.trailers_ref().into_iter().flat_map(http::HeaderMap::values);
                        if values.any(|value| self.bound.find(value.as_bytes()).next().is_some()) {
                            self.refuse(Unsent::Misplaced);
                            continue;
                        }
                        self.trailers = Some(trailers);
                        true
                    }
                },
            };
            self.ended = last;
            match self.release(last) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(unsent) => self.refuse(unsent),
            }
        }
    }
}

/// An answer's body without the values.
pub(super) struct Cleaned<B> {
    body: Pin<Box<B>>,
    bound: Arc<Bound>,
    stream: Option<MaskStream>,
    trailers: Option<Frame<Bytes>>,
}

impl<B: Body<Data = Bytes, Error = Error>> Cleaned<B> {
    pub(super) fn new(body: B, bound: Arc<Bound>) -> Self {
        Self {
            body: Box::pin(body),
            stream: Some(bound.masker().stream()),
            bound,
            trailers: None,
        }
    }

    fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(stream) = self.stream.take() {
            stream.finish(&mut out);
        }
        out.into()
    }
}

impl<B: Body<Data = Bytes, Error = Error>> Body for Cleaned<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if self.stream.is_none() {
                return Poll::Ready(self.trailers.take().map(Ok));
            }
            let out = match std::task::ready!(self.body.as_mut().poll_frame(context)) {
                None => self.finish(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let mut out = Vec::with_capacity(data.len());
                        if let Some(stream) = &mut self.stream {
                            stream.push(&data, &mut out);
                        }
                        out.into()
                    }
                    Err(mut trailers) => {
                        if let Some(headers) = trailers.trailers_mut() {
                            clean_values(&self.bound, headers);
                        }
                        self.trailers = Some(trailers);
                        self.finish()
                    }
                },
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}
