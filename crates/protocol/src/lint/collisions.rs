//! Published pairs of different texts that have one digest.

use crate::digest::DigestAlgorithm;
use crate::encoding::from_hex;

/// X. Wang, D. Feng, X. Lai, H. Yu, "Collisions for Hash Functions MD4, MD5, HAVAL-128 and RIPEMD", 2004.
const MD5_ONE: &str = "\
    d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b\
    d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70";

/// The other of the same pair.
const MD5_OTHER: &str = "\
    d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b\
    d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70";

/// M. Stevens, E. Bursztein, P. Karpman, A. Albertini, Y. Markov, "The first collision for full SHA-1", 2017: what both begin with.
const SHA1_HEAD: &str = "\
    255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474682032203020522f4865696768742033203020522f547970652034203020522f\
    537562747970652035203020522f46696c7465722036203020522f436f6c6f7253706163652037203020522f4c656e6774682038203020522f42697473506572\
    436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d3120697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe01";

/// How one goes on.
const SHA1_ONE: &str = "\
    7f46dc93a6b67e013b029aaa1db2560b45ca67d688c7f84b8c4c791fe02b3df614f86db1690901c56b45c1530afedfb76038e972722fe7ad728f0e4904e046c2\
    30570fe9d41398abe12ef5bc942be33542a4802d98b5d70f2a332ec37fac3514e74ddc0f2cc1a874cd0c78305a21566461309789606bd0bf3f98cda8044629a1";

/// How the other goes on.
const SHA1_OTHER: &str = "\
    7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de218f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7bd728f0e45bce046d2\
    3c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1";

/// Two different texts of one digest; `None` while nobody has published any.
pub(super) fn pair(algorithm: DigestAlgorithm) -> Option<[Vec<u8>; 2]> {
    let texts = match algorithm {
        DigestAlgorithm::Md5 => [MD5_ONE.to_owned(), MD5_OTHER.to_owned()],
        DigestAlgorithm::Sha1 => [[SHA1_HEAD, SHA1_ONE].concat(), [SHA1_HEAD, SHA1_OTHER].concat()],
        _ => return None,
    };
    Some([from_hex(texts[0].as_bytes())?, from_hex(texts[1].as_bytes())?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_differs_and_has_one_digest() {
        for algorithm in [DigestAlgorithm::Md5, DigestAlgorithm::Sha1] {
            let [one, other] = pair(algorithm).unwrap();
            assert_ne!(one, other);
            assert_eq!(algorithm.digest(&one), algorithm.digest(&other), "{}", algorithm.as_str());
        }
        assert!(DigestAlgorithm::ALL.into_iter().skip(2).all(|sound| pair(sound).is_none()));
    }
}
