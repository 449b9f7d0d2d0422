//! Bodies on their way, counted: past the limit they end by an error.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

/// Which way a body goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Out,
    In,
}

/// A body that ends by an error past its limit, or where its next piece takes too long.
pub(super) struct Limited<B> {
    body: Pin<Box<B>>,
    left: u64,
    way: Way,
    between: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Set where the limit was passed: the guest sees an error, the attempt's reason is this.
    over: Arc<AtomicBool>,
}

impl<B: Body<Data = Bytes, Error = Error>> Limited<B> {
    pub(super) fn request(body: B, bytes_max: u64, over: Arc<AtomicBool>) -> Self {
        Self {
            body: Box::pin(body),
            left: bytes_max,
            way: Way::Out,
            between: None,
            over,
        }
    }

    /// `between` limits the wait for each piece.
    pub(super) fn response(body: B, bytes_max: u64, between: Option<Duration>, over: Arc<AtomicBool>) -> Self {
        Self {
            body: Box::pin(body),
            left: bytes_max,
            way: Way::In,
            between: between.map(|limit| (limit, Box::pin(tokio::time::sleep(limit)))),
            over,
        }
    }
}

impl<B: Body<Data = Bytes, Error = Error>> Body for Limited<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.body.as_mut().poll_frame(context);
        let Poll::Ready(frame) = polled else {
            let late = |(_, sleep): &mut (Duration, Pin<Box<Sleep>>)| sleep.as_mut().poll(context).is_ready();
            return if self.between.as_mut().is_some_and(late) {
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            } else {
                Poll::Pending
            };
        };
        if let Some((limit, sleep)) = &mut self.between {
            let next = Instant::now() + *limit;
            sleep.as_mut().reset(next);
        }
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let size = data.len() as u64;
            if size > self.left {
                self.over.store(true, Ordering::Relaxed);
                let error = match self.way {
                    Way::Out => Error::HttpRequestBodySize(None),
                    Way::In => Error::HttpResponseBodySize(None),
                };
                return Poll::Ready(Some(Err(error)));
            }
            self.left -= size;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_past_its_limit_ends_by_an_error() {
        let body = || Full::new(Bytes::from_static(b"12345")).map_err(|never| match never {});
        let whole = Limited::request(body(), 5, Arc::default())
            .collect()
            .await
            .expect("it fits");
        assert_eq!(whole.to_bytes(), "12345");
        let over = Arc::<AtomicBool>::default();
        let limited = Limited::request(body(), 4, Arc::clone(&over));
        let error = limited.collect().await.expect_err("it is too long");
        assert!(over.load(Ordering::Relaxed));
        assert!(matches!(error, Error::HttpRequestBodySize(_)), "{error:?}");
        let error = Limited::response(body(), 4, None, Arc::default())
            .collect()
            .await
            .expect_err("it is too long");
        assert!(matches!(error, Error::HttpResponseBodySize(_)), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_takes_too_long_ends_it() {
        let never = http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Error>>());
        let limited = Limited::response(never, 10, Some(Duration::from_secs(5)), Arc::default());
        let error = limited.collect().await.expect_err("nothing comes");
        assert!(matches!(error, Error::ConnectionReadTimeout), "{error:?}");
    }
}
