//! URLs that carry their own signature for a while.

use std::time::Duration;

use countersign_protocol::Place;

use crate::error::ClientError;
use crate::signer::{Payload, Signer, Unsigned};
use crate::target::{is_stable, scheme_and_host, split};

impl Signer {
    /// The URL with its signature, which whoever holds it may use for so long, with this method and without a body that is signed. The text
    /// is to be used exactly as it is; it is a secret until it expires.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign_client::Signer;
    /// # fn example(signer: &Signer) -> Result<(), countersign_client::ClientError> {
    /// let url = signer.presign("GET", "https://files.example.com/reports/2026.pdf", Duration::from_secs(900))?;
    /// # let _ = url;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NotPresignable`] where the dialect's signature does not ride in the query alone, knows no expiry or a shorter one; and
    /// when the URL would not be sent as it is written.
    pub fn presign(&self, method: &str, url: &str, expires: Duration) -> Result<String, ClientError> {
        self.refuse_to_presign(expires)?;
        let (origin, target) = split(url)?;
        if !is_stable(target) {
            let sent = "something else, by some clients".to_owned();
            return Err(ClientError::UrlChanged { written: target.to_owned(), sent });
        }
        let (scheme, authority) = origin.split_once("://").unwrap_or_default();
        let (scheme, host) = scheme_and_host(&scheme.to_ascii_lowercase(), authority)?;
        let origin = format!("{}://{host}", scheme.as_str());
        let unsigned = Unsigned {
            method: method.to_owned(),
            scheme: Some(scheme),
            origin: origin.clone(),
            target: target.as_bytes().to_vec(),
            headers: vec![("Host".to_owned(), host.into_bytes())],
            payload: Payload::Bytes(Vec::new()),
            also: Vec::new(),
            digest_word: None,
            expires: Some(expires),
        };
        let signed = self.sign(unsigned, &self.credentials().current_now()?)?.request;
        if let Some((name, _)) = signed.headers.iter().find(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            return Err(refused(format!("the dialect also needs the header {name}, which no URL carries")));
        }
        let target = String::from_utf8(signed.target).map_err(|_| refused("the signed URL is no text"))?;
        if is_stable(&target) { Ok(format!("{origin}{target}")) } else { Err(refused("the signed URL would not be sent as it is written")) }
    }

    fn refuse_to_presign(&self, expires: Duration) -> Result<(), ClientError> {
        let dialect = self.dialect();
        if dialect.carries_secret() {
            return Err(refused("the dialect would put the secret itself into the URL"));
        }
        if !dialect.carriers().any(|carrier| carrier.is_sensitive) || dialect.carriers().any(|carrier| carrier.place != Place::Query) {
            return Err(refused("the dialect carries its signature outside the query; use one whose entries are all query parameters"));
        }
        let Some(most) = dialect.max_expires() else {
            return Err(refused("the dialect carries no expiry, so the URL would hold for the whole window of its time"));
        };
        if expires.as_secs() == 0 || expires > most {
            return Err(refused(format!("the dialect knows an expiry of 1 to {} seconds", most.as_secs())));
        }
        Ok(())
    }
}

fn refused(reason: impl Into<String>) -> ClientError {
    ClientError::NotPresignable { reason: reason.into() }
}
