//! The guides for those who come from other crates: their examples are run with the tests of the documents.

#[doc = include_str!("../README.md")]
struct Readme;
#[doc = include_str!("../../../docs/from-aws-sigv4.md")]
struct FromSignatureVersion4;
#[doc = include_str!("../../../docs/from-reqsign.md")]
struct FromReqsign;
#[doc = include_str!("../../../docs/from-httpsig.md")]
struct FromHttpsig;
