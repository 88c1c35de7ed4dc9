//! The attempts of one request: each signed anew, and what an answer says about the next one.

use std::sync::Arc;
use std::time::SystemTime;

use countersign_protocol::Reason;
use http::header::CONTENT_LENGTH;
use tokio::time::Instant;

use crate::answers::{AnswerVerifier, gather};
use crate::draft::Sealing;
use crate::error::ClientError;
use crate::learning::ClockLearning;
use crate::presented::Presented;
use crate::redirect::{is_of_body, onward};
use crate::refused::{self, Told};
use crate::retry::{RetryPolicy, Step};
use crate::signer::Signer;
use crate::template::{Attempt, Content, Template};

/// What a client does with answers that are not the last word.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) retries: Option<Arc<RetryPolicy>>,
    pub(crate) clock: Option<ClockLearning>,
    pub(crate) redirects: u32,
    pub(crate) answers: Option<Arc<AnswerVerifier>>,
    pub(crate) sealing: Sealing,
}

/// What carries one attempt to the server.
pub(crate) trait Wire: Send {
    type Error: From<ClientError> + Send;

    fn send(&mut self, request: reqwest::Request) -> impl Future<Output = Result<reqwest::Response, Self::Error>> + Send;

    /// Why nothing came back, where it was the connection.
    fn failure(error: &Self::Error) -> Option<&reqwest::Error>;
}

/// The last answer, and what was signed for it.
pub(crate) struct Answered {
    pub(crate) answer: reqwest::Response,
    pub(crate) string_to_sign: Vec<u8>,
}

/// A request on its way: what it is now, and what was done about it already.
struct Run<'a> {
    signer: &'a Signer,
    rules: &'a Rules,
    template: Template,
    began: Instant,
    number: u32,
    hops: u32,
    has_learned: bool,
    has_reread: bool,
    has_renewed: bool,
    /// What was read again or renewed for this request.
    presented: Option<Presented>,
}

/// Sends a request, as often as the rules say, and gives the last answer.
pub(crate) async fn run<W: Wire>(signer: &Signer, rules: &Rules, template: Template, wire: &mut W) -> Result<Answered, W::Error> {
    let began = Instant::now();
    let mut run = Run {
        signer,
        rules,
        template,
        began,
        number: 0,
        hops: 0,
        has_learned: false,
        has_reread: false,
        has_renewed: false,
        presented: None,
    };
    loop {
        run.number += 1;
        let presented = match run.presented.take() {
            Some(presented) => presented,
            None => signer.credentials().current().await?,
        };
        let Attempt { request, draft, string_to_sign, origin } = run.template.attempt(signer, &rules.sealing, &presented).await?;
        let answer = match wire.send(request).await {
            Ok(answer) => answer,
            Err(error) => match run.wait_after_failure(W::failure(&error))? {
                Some(wait) => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                None => return Err(error),
            },
        };
        if let Some(answer) = run.settle(&origin, &presented, answer).await? {
            let answer = match &rules.answers {
                Some(verifier) => verifier.verify(answer, signer.time()?).await?,
                None => answer,
            };
            let answer = rules.sealing.read(draft, &run.template.method, answer).await?;
            return Ok(Answered { answer, string_to_sign });
        }
    }
}

impl Run<'_> {
    /// The answer if it is the last one; `None` when the next attempt may begin.
    async fn settle(
        &mut self,
        origin: &str,
        presented: &Presented,
        answer: reqwest::Response,
    ) -> Result<Option<reqwest::Response>, ClientError> {
        let status = answer.status();
        if status.is_success() || status.is_informational() {
            return Ok(Some(answer));
        }
        if status.is_redirection() {
            return Ok(if self.may_follow(&answer) { None } else { Some(answer) });
        }
        if !self.template.is_repeatable() {
            return Ok(Some(answer));
        }
        let Some(answer) = self.mend(origin, presented, answer).await? else { return Ok(None) };
        let wait = match &self.rules.retries {
            Some(policy) => policy.after_answer(self.step(), status, answer.headers())?,
            None => None,
        };
        let Some(wait) = wait else { return Ok(Some(answer)) };
        tokio::time::sleep(wait).await;
        Ok(None)
    }

    /// Whether the access token that was refused is replaced by a new one: once.
    #[cfg(feature = "sessions")]
    async fn renews(&mut self, told: &Told, presented: &Presented) -> Result<bool, ClientError> {
        match told.reason {
            Some(Reason::TokenExpired | Reason::TokenInvalid) if !self.has_renewed => {
                self.has_renewed = true;
                self.presented = self.signer.credentials().renewed(presented).await?;
                Ok(self.presented.is_some())
            }
            Some(Reason::SessionRevoked | Reason::SessionExpired) => self.signer.credentials().ended(told).map(|()| false),
            _ => Ok(false),
        }
    }

    #[cfg(not(feature = "sessions"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    async fn renews(&self, _: &Told, _: &Presented) -> Result<bool, ClientError> {
        Ok(self.has_renewed)
    }

    /// Takes what a refusal says about the clock, the key or the token; gives the answer back where there is nothing to take.
    async fn mend(
        &mut self,
        origin: &str,
        presented: &Presented,
        answer: reqwest::Response,
    ) -> Result<Option<reqwest::Response>, ClientError> {
        if !answer.status().is_client_error() || self.has_learned && self.has_reread && presented.token.is_none() {
            return Ok(Some(answer));
        }
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if self.template.method == http::Method::HEAD || length.is_none_or(|length| length > refused::MOST_BYTES) {
            return Ok(Some(answer));
        }
        let (rebuild, body) = gather(answer, refused::MOST_BYTES).await?;
        let told = Told::of(rebuild.headers(), &body);
        if let Some(clock) = self.rules.clock.as_ref().filter(|_| !self.has_learned) {
            let server = clock.server_time(origin.starts_with("https://"), &told, rebuild.status(), rebuild.headers(), &body);
            self.has_learned = server.is_some();
            if let Some(server) = server
                && self.signer.offsets().learn(origin, self.signer.time()?, server, clock.most())
            {
                return Ok(None);
            }
        }
        let is_of_key = matches!(told.reason, Some(Reason::KeyExpired | Reason::KeyDisabled | Reason::SignatureMismatch));
        if is_of_key && !self.has_reread {
            self.has_reread = true;
            self.presented = self.signer.credentials().instead_of(presented).await?;
            if self.presented.is_some() {
                return Ok(None);
            }
        }
        if self.renews(&told, presented).await? {
            return Ok(None);
        }
        Ok(Some(rebuild.with(body)))
    }

    /// Turns to where a redirect leads, if that is allowed.
    fn may_follow(&mut self, answer: &reqwest::Response) -> bool {
        if self.hops >= self.rules.redirects {
            return false;
        }
        let Some(onward) = onward(&self.template.method, answer.url(), answer.status(), answer.headers()) else { return false };
        if onward.keeps_body && !self.template.is_repeatable() {
            return false;
        }
        self.hops += 1;
        (self.template.method, self.template.url) = (onward.method, onward.url.into());
        if !onward.keeps_body {
            self.template.body = Content::Bytes(Vec::new());
            self.template.headers.retain(|(name, _)| !is_of_body(name));
            self.template.also.retain(|name| !is_of_body(name));
        }
        true
    }

    fn wait_after_failure(&self, failure: Option<&reqwest::Error>) -> Result<Option<std::time::Duration>, ClientError> {
        match (&self.rules.retries, failure) {
            (Some(policy), Some(error)) if self.template.is_repeatable() => policy.after_failure(self.step(), error),
            _ => Ok(None),
        }
    }

    fn step(&self) -> Step<'_> {
        Step { method: &self.template.method, number: self.number, elapsed: self.began.elapsed(), now: SystemTime::now() }
    }
}
