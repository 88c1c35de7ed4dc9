//! A signing key as the columns of either database: the private half sealed for its row, with the algorithm inside the seal.

use countersign_protocol::{Secret, Timestamp};
use zeroize::Zeroizing;

use super::{KeyTimes, SigningAlgorithm, SigningKey};
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};

/// In the order of [`KeyRow`].
pub(super) const COLUMNS: &str = "kid, algorithm, public, sealed, published, signs_from, signs_until, verifies_until, revoked";

/// The columns.
pub(super) struct KeyRow {
    pub(super) kid: String,
    pub(super) algorithm: String,
    pub(super) public: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    pub(super) published: i64,
    pub(super) signs_from: i64,
    pub(super) signs_until: i64,
    pub(super) verifies_until: i64,
    pub(super) revoked: Option<i64>,
}

impl KeyRow {
    /// Seals a key for its row.
    pub(super) fn of(key: &SigningKey, master: &MasterKey) -> Result<Self, StoreError> {
        let algorithm = key.algorithm().as_str();
        let parts = [algorithm.as_bytes(), b"|", key.private.expose()];
        // Reserved whole, so that no copy is left behind by a growing buffer.
        let mut plain = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| plain.extend_from_slice(part));
        let KeyTimes { published, signs_from, signs_until, verifies_until, revoked } = key.times;
        Ok(Self {
            kid: key.kid.clone(),
            algorithm: algorithm.to_owned(),
            public: key.public.clone(),
            sealed: master.seal(&place(&key.kid), &plain)?,
            published: published.millis(),
            signs_from: signs_from.millis(),
            signs_until: signs_until.millis(),
            verifies_until: verifies_until.millis(),
            revoked: revoked.map(Timestamp::millis),
        })
    }

    /// Opens a row. Whoever can write the database makes no key of another one, and no shared secret of a public half.
    pub(super) fn key(self, master: &MasterKey) -> Result<SigningKey, StoreError> {
        let row = format!("signing key {:?}", self.kid);
        let corrupt = |fault| StoreError::Corrupt { row: row.clone(), fault };
        let plain = master.open_sealed(&place(&self.kid), &self.sealed).ok_or_else(|| corrupt("it does not open in this place"))?;
        let sealed_for = [self.algorithm.as_bytes(), b"|"].concat();
        let private = plain.strip_prefix(sealed_for.as_slice()).ok_or_else(|| corrupt("it was sealed for another algorithm"))?;
        let algorithm: SigningAlgorithm = self.algorithm.parse().map_err(|_| corrupt("its algorithm is none"))?;
        let at = |millis: i64| Timestamp::from_millis(millis).ok_or_else(|| corrupt("one of its times is none"));
        let times = KeyTimes {
            published: at(self.published)?,
            signs_from: at(self.signs_from)?,
            signs_until: at(self.signs_until)?,
            verifies_until: at(self.verifies_until)?,
            revoked: self.revoked.map(at).transpose()?,
        };
        let key = SigningKey::from_parts(self.kid, algorithm, Secret::new(private), &self.public, times);
        key.map_err(|_| corrupt("its halves do not belong together, or its times are not in order"))
    }
}

const fn place(kid: &str) -> Place<'_> {
    Place { table: "signing_key", app: "", credential: kid }
}
