//! The closed vocabulary of refusals, and the error that carries one.
//!
//! A reason's `snake_case` name is the same in code, vectors, logs, metrics and documents. What a peer may learn of it,
//! and with which HTTP status, is decided by the server.

use std::borrow::Cow;
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $en:literal, $zh:literal;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order in which an admission can meet them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, as it stands in vectors, logs, metrics and problem bodies.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for the caller: the likely cause and the mend.
            #[must_use]
            pub const fn hint(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::English) => $en,
                      (Self::$variant, Language::Chinese) => $zh,)*
                }
            }
        }
    };
}

/// The languages in which hints are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, the default.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

reasons! {
    /// The request's head is larger than the limit.
    HeadTooLarge = "head_too_large",
        "The request line and headers are larger than the server reads. Send fewer or shorter headers.",
        "请求行与请求头超过服务器上限，请减少请求头的数量或长度。";
    /// The bytes are no well-formed HTTP request, or one that could be read in two ways.
    MalformedRequest = "malformed_request",
        "The bytes are not one well-formed HTTP request. Check framing, Host and header syntax.",
        "该请求不是格式正确的 HTTP 请求，请检查消息边界、Host 与请求头语法。";
    /// Too many requests.
    RateLimited = "rate_limited",
        "Too many requests. Wait as long as Retry-After says.",
        "请求过于频繁，请按 Retry-After 的时间稍后再试。";
    /// Nothing in the request carries a signature that this route accepts.
    MissingSignature = "missing_signature",
        "The request carries no signature in a form that is accepted here. Check header names and the scheme word.",
        "请求中没有此处接受的签名，请检查请求头名称与认证方案名。";
    /// A signature is there, but what surrounds it cannot be read.
    MalformedClaim = "malformed_claim",
        "The signature's parameters are misshapen, repeated, or not as configured. Compare names, encodings and constants with the dialect.",
        "签名参数的格式有误、重复或与配置不符，请对照协议检查名称、编码与固定值。";
    /// More than one accepted dialect could read the request.
    AmbiguousClaim = "ambiguous_claim",
        "The request matches more than one accepted signing protocol. Send the headers of exactly one.",
        "请求同时符合多种签名协议，请只发送其中一种协议的请求头。";
    /// The dialect shows its secret on the wire and the connection is not protected.
    InsecureTransport = "insecure_transport",
        "This kind of credential is accepted over TLS only.",
        "此类凭证只能通过 TLS 发送。";
    /// The signed time is older than the window.
    TooOld = "too_old",
        "The signed time is too old. Check the caller's clock and time unit, and sign each attempt anew.",
        "签名时间已过期，请检查客户端时钟与时间单位，并在每次重试时重新签名。";
    /// The signed time is ahead of the server's clock by more than the window.
    FromTheFuture = "from_the_future",
        "The signed time is ahead of the server's clock. Check the caller's clock and time unit.",
        "签名时间晚于服务器时间，请检查客户端时钟与时间单位。";
    /// No such key. Never shown to a peer: it sees [`Reason::SignatureMismatch`].
    UnknownKey = "unknown_key",
        "The key id is not known, or the signature does not match.",
        "密钥标识不存在，或签名不匹配。";
    /// The signature is not the one that the credential gives for this request.
    SignatureMismatch = "signature_mismatch",
        "The signature does not match. Compare the string to sign byte by byte, and check the secret and its encoding.",
        "签名不匹配，请逐字节比对待签名字符串，并检查密钥及其编码。";
    /// The credential is switched off, or its app is not active.
    KeyDisabled = "key_disabled",
        "This credential is disabled or not yet approved. Ask the operator.",
        "该凭证已停用或尚未审批，请联系管理员。";
    /// The credential's validity has ended.
    KeyExpired = "key_expired",
        "This credential has expired. Use its successor.",
        "该凭证已过期，请使用新的凭证。";
    /// The credential's validity has not begun.
    KeyNotYetValid = "key_not_yet_valid",
        "This credential is not valid yet.",
        "该凭证尚未生效。";
    /// The credential is not registered for this dialect, or the dialect is not verified here.
    DialectNotAllowed = "dialect_not_allowed",
        "This credential may not use this signing protocol here.",
        "该凭证在此处不能使用这种签名协议。";
    /// The credential is registered for another version of the dialect.
    VersionNotAllowed = "version_not_allowed",
        "This credential is registered for another version of this signing protocol.",
        "该凭证登记的是此签名协议的其他版本。";
    /// The signature holds, but its algorithm is not the registered one.
    AlgorithmNotAllowed = "algorithm_not_allowed",
        "The signature's algorithm is not the one registered for this credential.",
        "签名算法与该凭证登记的算法不一致。";
    /// Another request would give the same string to sign.
    AmbiguousRequest = "ambiguous_request",
        "Another request would have the same string to sign. Avoid repeated parameters and separators inside names and values.",
        "存在另一个具有相同待签名字符串的请求，请避免重复参数以及名称或值中的分隔符。";
    /// A part that must be signed is not.
    RequiredPartUnsigned = "required_part_unsigned",
        "A part of the request that must be signed is not. Sign everything that the protocol can sign.",
        "请求中必须签名的部分没有被签名，请签署该协议能够签署的全部内容。";
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large",
        "The body is larger than this route accepts.",
        "请求体超过此路由的上限。";
    /// The body is not the one whose digest was sent.
    BodyDigestMismatch = "body_digest_mismatch",
        "The body's digest is not the one that was sent. Compute it over exactly the bytes that leave.",
        "请求体摘要与所发送的不一致，请对实际发送的字节计算摘要。";
    /// The same signed request, or its nonce, was seen before.
    Replayed = "replayed",
        "This signed request was seen before. Use a new nonce and time for each attempt.",
        "该签名请求已被使用过，每次请求都应使用新的随机数与时间。";
    /// The replay store cannot answer or is full.
    StoreUnavailable = "store_unavailable",
        "The server cannot check for replays at the moment. Try again later.",
        "服务器暂时无法进行重放检查，请稍后再试。";
    /// The replay store lost its memory: what it may have accepted before is refused for one window.
    StoreRecovering = "store_recovering",
        "The server lost its memory of past requests and refuses what it may have accepted before. Wait a little and sign anew.",
        "服务器丢失了重放记录，可能已被接受过的请求暂不受理，请稍候并重新签名。";
    /// A route needs a user, and the request has no access token.
    TokenMissing = "token_missing",
        "This route needs a user. Log in, and send the access token in the header that the login's answer names.",
        "此路由需要用户身份，请先登录，并在登录响应所指明的请求头中发送访问令牌。";
    /// An access token came, and the signature does not cover it.
    TokenNotSigned = "token_not_signed",
        "The access token must be among the signed headers, and come once.",
        "访问令牌必须包含在签名的请求头中，且只能出现一次。";
    /// What came is not written as an access token is.
    TokenMalformed = "token_malformed",
        "The access token is misshapen. Send it exactly as the login gave it.",
        "访问令牌格式有误，请原样发送登录时得到的令牌。";
    /// The access token's signature does not hold, or it is meant for somebody else.
    TokenInvalid = "token_invalid",
        "The access token was not made here, or is long over. Refresh it once; if that is refused, log in again.",
        "访问令牌不是由此服务器签发的，或早已过期，请刷新一次；若刷新被拒绝，请重新登录。";
    /// The access token was good, and is over.
    TokenExpired = "token_expired",
        "The access token is over. Refresh it once, and sign the request anew.",
        "访问令牌已过期，请刷新一次，并重新签名请求。";
    /// The access token is good later: the clocks differ.
    TokenNotYetValid = "token_not_yet_valid",
        "The access token is not valid yet. Check the clocks.",
        "访问令牌尚未生效，请检查时钟。";
    /// Another key signed than the one that the session is bound to.
    TokenBindingMismatch = "token_binding_mismatch",
        "The access token belongs to another app or key. Sign with the key of the login.",
        "访问令牌属于其他应用或密钥，请使用登录时的密钥签名。";
    /// A browser sent the session's cookie by itself, and nothing shows that a page which may do so made the request.
    CrossSiteRequest = "cross_site_request",
        "With the session's cookie, a request that changes something comes from a listed page, which its Origin names, and shows the login's CSRF token in X-CSRF-Token.",
        "携带会话 Cookie 的修改类请求必须来自已登记的页面（由 Origin 指明），并在 X-CSRF-Token 中带上登录时得到的 CSRF 令牌。";
    /// The session has ended: by a logout, an operator, or a refresh token that was used twice.
    SessionRevoked = "session_revoked",
        "The session has ended. Log in again.",
        "会话已结束，请重新登录。";
    /// The session's time is over.
    SessionExpired = "session_expired",
        "The session is over. Log in again.",
        "会话已过期，请重新登录。";
    /// The login is longer ago than this route accepts.
    LoginTooOld = "insufficient_user_authentication",
        "This route needs a login that is more recent. Log in again.",
        "此路由要求较新的登录，请重新登录。";
    /// A login was refused. A peer learns no more than that.
    InvalidCredentials = "invalid_credentials",
        "The name, the password or the code is wrong, or this user may not log in now.",
        "用户名、密码或验证码有误，或该用户目前不能登录。";
    /// A refresh token gives nothing. A peer learns no more than that.
    InvalidGrant = "invalid_grant",
        "The refresh token gives nothing any more. Log in again.",
        "刷新令牌已失效，请重新登录。";
    /// A request to the session API is not as it must be.
    InvalidRequest = "invalid_request",
        "The body is not what this endpoint takes. Compare its members with the documentation.",
        "请求体不符合此接口的要求，请对照文档检查各字段。";
    /// The caller lacks a scope.
    InsufficientScope = "insufficient_scope",
        "The credential lacks a scope that this route needs.",
        "该凭证缺少此路由要求的权限范围。";
    /// The caller's address is not in the credential's ranges.
    AddressNotAllowed = "address_not_allowed",
        "Requests from this address are not accepted for this credential.",
        "该凭证不接受来自此地址的请求。";
    /// An encrypted body that cannot be opened, or a plain one where it must be encrypted.
    EnvelopeInvalid = "envelope_invalid",
        "The body is not encrypted as this route needs it, or cannot be decrypted. Check the scheme, the member names and the server's public key: RSA, 2048 bits or more.",
        "请求体未按此路由的要求加密，或无法解密，请检查加密方案、字段名称与服务器公钥（RSA，至少 2048 位）。";
    /// No route for this host, path and method.
    NoRoute = "no_route",
        "Nothing is served at this host and path.",
        "此主机与路径下没有服务。";
    /// Too many requests at once.
    Overloaded = "overloaded",
        "The server is busy. Try again later.",
        "服务器繁忙，请稍后再试。";
    /// The upstream could not be reached.
    UpstreamUnavailable = "upstream_unavailable",
        "The service behind this gateway cannot be reached.",
        "网关无法连接到后端服务。";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout",
        "The service behind this gateway did not answer in time.",
        "后端服务未在规定时间内响应。";
    /// Nothing by that name.
    NotFound = "not_found",
        "Nothing by that name.",
        "没有该名称的资源。";
    /// A fault of the server.
    Internal = "internal",
        "The server failed. The request may be tried again.",
        "服务器内部错误，可以重试该请求。";
}

impl Reason {
    /// What the peer may learn: an unknown key looks like a wrong signature.
    #[must_use]
    pub const fn public(self) -> Self {
        match self {
            Self::UnknownKey => Self::SignatureMismatch,
            other => other,
        }
    }

    /// The reason with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.as_str() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the reason, and for logs what exactly was wrong. The detail never holds a secret or an expected signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    detail: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a detail for the log.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The exact reason, for logs and metrics. A peer sees [`Reason::public`] of it.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// What exactly was wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_name(reason.as_str()), Some(*reason));
            assert!(Reason::ALL[i + 1..].iter().all(|r| r.as_str() != reason.as_str()), "{reason} twice");
        }
    }

    #[test]
    fn an_unknown_key_looks_like_a_wrong_signature() {
        assert_eq!(Reason::UnknownKey.public(), Reason::SignatureMismatch);
        assert_eq!(Reason::TooOld.public(), Reason::TooOld);
    }
}
