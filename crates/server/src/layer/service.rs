//! The service of the layer: one request, from its head to its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::admission::Admitted;
use countersign_protocol::{Language, Reason, ReplayMode};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body;
use tower::Service;
use tracing::Level;
use uuid::Uuid;

use super::Settings;
use super::admit::Passed;
use super::body::{AnswerBody, RequestBody};
use super::caller::{Anonymous, Caller};
use crate::body::{BoxError, full};
use crate::problem::{Row, preferred_language};
use crate::refused::Refused;
use crate::strip::REQUEST_ID;

/// A service that is called with admitted requests only.
#[derive(Debug, Clone)]
pub struct SignatureService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> SignatureService<S> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, A> Service<Request<B>> for SignatureService<S>
where
    S: Service<Request<RequestBody>, Response = Response<A>, Error: Send, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    A: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<AnswerBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled is the one that is ready; its clone waits for the next request.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let settings = Arc::clone(&self.settings);
        Box::pin(async move { settings.answer(inner, request).await })
    }
}

impl Settings {
    async fn answer<S, B, A>(self: Arc<Self>, inner: S, request: Request<B>) -> Result<Response<AnswerBody>, S::Error>
    where
        S: Service<Request<RequestBody>, Response = Response<A>>,
        B: Body<Error: Into<BoxError>> + Send + 'static,
        A: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut parts, body) = request.map(RequestBody::unread).into_parts();
        // What an outer layer said of the caller does not hold behind this one.
        parts.extensions.remove::<Caller>();
        parts.extensions.remove::<Anonymous>();
        let asked = Asked::of(&parts);
        let (mut parts, passed) = Arc::clone(&self).admit(parts, body).await;
        let answer = match passed {
            Ok(Passed::Admitted(admitted, body)) => {
                let request = Request::from_parts(parts, RequestBody::whole(body));
                hand_over(inner, *admitted, request).await?.unwrap_or_else(|refused| asked.refuse(&refused))
            }
            Ok(Passed::Anonymous(body)) => {
                parts.extensions.insert(Anonymous);
                call(inner, Request::from_parts(parts, body)).await?
            }
            Err(refused) => asked.refuse(&refused),
        };
        let Some(signer) = &self.responses else { return Ok(answer) };
        // An answer that cannot be signed is replaced by one that can.
        match signer.sign(answer).await {
            Ok(signed) => Ok(signed),
            Err(refused) => Ok(signer.sign(asked.refuse(&refused)).await.unwrap_or_else(|refused| asked.refuse(&refused))),
        }
    }
}

/// Calls the handler. The request is used up before, an event when it was handled.
async fn hand_over<S, A>(
    inner: S,
    mut admitted: Admitted,
    mut request: Request<RequestBody>,
) -> Result<Result<Response<AnswerBody>, Refused>, S::Error>
where
    S: Service<Request<RequestBody>, Response = Response<A>>,
    A: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    request.extensions_mut().insert(Caller::of(&admitted));
    if admitted.replay() != ReplayMode::Event {
        return match admitted.commit().await {
            Ok(()) => call(inner, request).await.map(Ok),
            Err(error) => Ok(Err(Refused { detail: error.to_string(), ..Reason::StoreUnavailable.into() })),
        };
    }
    let answer = call(inner, request).await;
    if !answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
        admitted.release().await;
    } else if let Err(error) = admitted.commit().await {
        tracing::error!(target: "countersign::layer", %error, "a handled event could not be committed; it stays reserved");
    }
    answer.map(Ok)
}

async fn call<S, A>(mut inner: S, request: Request<RequestBody>) -> Result<Response<AnswerBody>, S::Error>
where
    S: Service<Request<RequestBody>, Response = Response<A>>,
    A: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let answer = inner.call(request).await?;
    Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
}

/// What a refusal tells of the request.
struct Asked {
    id: String,
    method: String,
    /// Without the query, in which a credential may stand.
    path: String,
    language: Language,
}

impl Asked {
    fn of(parts: &Parts) -> Self {
        let accept = parts.headers.get(http::header::ACCEPT_LANGUAGE);
        Self {
            id: Uuid::now_v7().to_string(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            language: preferred_language(accept.map_or(b"", |accept| accept.as_bytes())),
        }
    }

    /// The answer to the peer, from the problem table; the exact reason goes to the log.
    fn refuse(&self, refused: &Refused) -> Response<AnswerBody> {
        self.tell(refused);
        let mut answer = refused.answer(self.language, &self.id).map(full);
        // An id is 36 visible characters.
        answer.headers_mut().extend(HeaderValue::try_from(&self.id).ok().map(|id| (HeaderName::from_static(REQUEST_ID), id)));
        answer
    }

    fn tell(&self, refused: &Refused) {
        let Self { id, method, path, .. } = self;
        let about = &refused.about;
        let known = |text: &Option<String>| text.clone().unwrap_or_default();
        let (app, key_id, dialect) = (known(&about.app), known(&about.key_id), known(&about.dialect));
        let (reason, detail) = (refused.reason().as_str(), &refused.detail);
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(target: "countersign::layer", $level, id, method, path, reason, detail, app, key_id, dialect, "refused")
            };
        }
        match Row::of(refused.reason()).level {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            _ => line!(Level::INFO),
        }
    }
}
