//! Where a chunked body ends: a strict reader of chunk framing that keeps nothing but its place.

/// The place inside a chunked body (RFC 9112, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size { value: u64, digits: u8 },
    Extension { value: u64 },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    End,
}

/// Follows a chunked body that goes by.
#[derive(Debug)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions and trailers that may still come.
    spare: usize,
}

/// The framing is not that of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

const START: Place = Place::Size { value: 0, digits: 0 };

impl Chunked {
    /// A body of which nothing has come yet; extensions and trailers together hold at most `spare` bytes.
    pub(super) const fn new(spare: usize) -> Self {
        Self { place: START, spare }
    }

    /// Whether the last byte of the body went by.
    pub(super) fn ended(&self) -> bool {
        self.place == Place::End
    }

    /// Takes the next bytes; the number of those that belong to the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < bytes.len() && !self.ended() {
            if let Place::Data { left } = self.place {
                let step = left.min((bytes.len() - at) as u64);
                at += step as usize;
                self.place = if step == left { Place::DataCr } else { Place::Data { left: left - step } };
                continue;
            }
            self.place = self.next(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn next(&mut self, byte: u8) -> Result<Place, BadChunk> {
        match (self.place, byte) {
            (Place::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                Ok(Place::Size { value: value * 16 + u64::from(hex_value(byte)), digits: digits + 1 })
            }
            (Place::Size { value, digits: 1.. }, b'\r') => Ok(Place::SizeLf { value }),
            (Place::Size { value, digits: 1.. }, b';') => Ok(Place::Extension { value }),
            (Place::Extension { value }, b'\r') => Ok(Place::SizeLf { value }),
            (Place::Extension { value }, _) if byte != b'\n' => self.spend(Place::Extension { value }),
            (Place::SizeLf { value: 0 }, b'\n') => Ok(Place::TrailerStart),
            (Place::SizeLf { value }, b'\n') => Ok(Place::Data { left: value }),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(START),
            (Place::TrailerStart, b'\r') => Ok(Place::LastLf),
            (Place::Trailer, b'\r') => Ok(Place::TrailerLf),
            (Place::TrailerStart | Place::Trailer, _) if byte != b'\n' => self.spend(Place::Trailer),
            (Place::TrailerLf, b'\n') => Ok(Place::TrailerStart),
            (Place::LastLf, b'\n') => Ok(Place::End),
            _ => Err(BadChunk),
        }
    }

    fn spend(&mut self, next: Place) -> Result<Place, BadChunk> {
        self.spare = self.spare.checked_sub(1).ok_or(BadChunk)?;
        Ok(next)
    }
}

/// The value of a byte that is a hexadecimal digit.
const fn hex_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(body: &[u8]) -> Result<Option<usize>, BadChunk> {
        let mut chunked = Chunked::new(16);
        let taken = chunked.take(body)?;
        Ok(chunked.ended().then_some(taken))
    }

    #[test]
    fn the_end_is_found_wherever_the_pieces_are_cut() {
        let body = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1";
        let end = body.len() - b"GET / HTTP/1.1".len();
        assert_eq!(length(body), Ok(Some(end)));
        for cut in 0..end {
            let mut chunked = Chunked::new(16);
            assert_eq!(chunked.take(&body[..cut]), Ok(cut));
            assert!(!chunked.ended());
            assert_eq!(chunked.take(&body[cut..]), Ok(end - cut));
            assert!(chunked.ended());
        }
    }

    #[test]
    fn other_framings_are_refused() {
        let cases: [&[u8]; 9] = [
            b"\r\n",
            b"3\nabc\r\n0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"-1\r\n",
            b"0x3\r\n",
            b"3\r\nabcd\r\n",
            b"0000000000000000\r\n",
            b"0\r\n\n",
            b"3;0123456789abcdefg\r\n",
        ];
        for case in cases {
            assert_eq!(length(case), Err(BadChunk), "{:?}", String::from_utf8_lossy(case));
        }
    }
}
