//! The named intermediates of signing, for people to look at.

/// Named intermediates in the order in which they were made. Secrets are masked; `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stages(Vec<(String, Vec<u8>)>);

impl Stages {
    pub(crate) fn push(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.push((name.to_owned(), bytes));
    }

    /// Name and bytes of each stage; the last one is the string to sign.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), &bytes[..]))
    }

    /// The stage of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, bytes)| bytes)
    }
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stages").field(&self.iter().map(|(name, _)| name).collect::<Vec<_>>()).finish()
    }
}
