//! Steps 2 to 8 for a request whose body is buffered, read as late as its dialect permits.

use std::net::IpAddr;
use std::time::Duration;

use countersign_core::admission::{Admission, Admitted, Authentic, BearerSent, RouteRules, SentBy, Step};
use countersign_protocol::{Body as Known, HeaderLine, Reason, Refusal, RequestView, Scheme};
use hyper::body::Body;

use crate::body::{Arriving, BoxError};
use crate::head::{Head, malformed};
use crate::refused::Refused;
use crate::session::cookie;

/// A request whose head is read.
pub(crate) struct Inbound<'a> {
    pub(crate) head: &'a Head,
    /// The lines of the head.
    pub(crate) lines: &'a [HeaderLine<'a>],
    pub(crate) scheme: Scheme,
    /// Whose it is, if that is known.
    pub(crate) client: Option<IpAddr>,
    /// How long its body may pause.
    pub(crate) idle: Duration,
}

impl<'a> Inbound<'a> {
    /// The request with its body, as far as that is known.
    pub(crate) fn view<'v>(&self, body: Known<'v>) -> RequestView<'v>
    where
        'a: 'v,
    {
        let Head { method, target, version, .. } = self.head;
        RequestView { method, scheme: self.scheme, target, version, headers: self.lines, body }
    }

    /// Admits the request, or says why not. A caller without a valid signature uploads nothing where the tag can be computed without the
    /// body, and nothing beyond the rules' limit is buffered.
    pub(crate) async fn admit<B>(&self, admission: &Admission, rules: &RouteRules, body: &mut Arriving<B>) -> Result<Admitted, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let early = self.view(if body.is_empty() { Known::Bytes(b"") } else { Known::Pending });
        let (limit, idle) = (rules.body_limit, self.idle);
        if let Some(sent) = self.unsigned(rules, &early)? {
            body.read(limit, idle).await?;
            return Ok(admission.admit_bearer(rules, sent, self.client).await?);
        }
        let read;
        let whole;
        let authentic = match admission.begin(rules, &early)? {
            Step::NeedsBody => {
                read = body.read(limit, idle).await?;
                whole = self.view(Known::Bytes(&read));
                let Step::Begun(begun) = admission.begin(rules, &whole)? else { return Err(Reason::Internal.into()) };
                admission.authenticate(begun).await?
            }
            Step::Begun(begun) if begun.needs_body() => {
                read = body.read(limit, idle).await?;
                admission.authenticate(begun.with_body(&read)).await?
            }
            Step::Begun(begun) => {
                let authentic = admission.authenticate(begun).await?;
                read = body.read(limit, idle).await?;
                authentic.with_body(&read)
            }
        };
        Ok(admission.admit(self.of_client(authentic)).await?)
    }

    /// The access token of a caller without a signature, where the rules take one and no dialect of theirs claims the request.
    fn unsigned<'r>(&'r self, rules: &'r RouteRules, request: &RequestView<'_>) -> Result<Option<BearerSent<'r>>, Refusal> {
        let Some(rule) = rules.user.as_ref().filter(|rule| rule.takes_bearer || rule.cookie.is_some()) else { return Ok(None) };
        if rules.dialects.iter().any(|dialect| dialect.marks(request)) {
            return Ok(None);
        }
        let in_cookie = rule.cookie.as_ref().map(|cookie| cookie::one(cookie, self.head)).transpose()?.flatten();
        let sent = match (in_cookie, &rule.cookie) {
            (Some(token), Some(cookie)) => {
                if ["authorization", &rule.header].iter().any(|name| self.head.values(name).next().is_some()) {
                    return Err(malformed("a token came in a cookie and in another place"));
                }
                BearerSent { token, by: SentBy::Cookie(cookie::csrf(self.head, self.scheme, cookie)?) }
            }
            _ => match bearer(self.head)?.filter(|_| rule.takes_bearer) {
                Some(token) => BearerSent { token, by: SentBy::Header },
                None => return Ok(None),
            },
        };
        if self.scheme == Scheme::Http && !rules.policy.allow_cleartext {
            return Err(Refusal::new(Reason::InsecureTransport, "a token without a signature on an open wire"));
        }
        Ok(Some(sent))
    }

    /// The same, with the address that the app's list of addresses is about.
    pub(crate) fn of_client<'m>(&self, authentic: Authentic<'m>) -> Authentic<'m> {
        match self.client {
            Some(client) => authentic.with_peer(client),
            None => authentic,
        }
    }
}

/// The access token of the one `Authorization` line, if that is of the scheme `Bearer` (RFC 6750, section 2.1).
pub(crate) fn bearer(head: &Head) -> Result<Option<&str>, Refusal> {
    let mut values = head.values("authorization").map(<[u8]>::trim_ascii);
    let (Some(value), None) = (values.next(), values.next()) else { return Ok(None) };
    let Some((scheme, token)) = value.split_first_chunk::<7>() else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Ok(None);
    }
    std::str::from_utf8(token).map(Some).map_err(|_| Refusal::new(Reason::TokenMalformed, "the token is no text"))
}
