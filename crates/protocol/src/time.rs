//! Instants, and the formats in which dialects write them.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::Offset;

const SECOND: i64 = 1_000;
/// The last instant that any format can write: 9999-12-31T23:59:59.999Z.
const LAST: i64 = 253_402_300_799_999;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, between the years 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch; `None` outside the years 1970 to 9999.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis >= 0 && millis <= LAST { Some(Self(millis)) } else { None }
    }

    /// From seconds since the epoch; `None` outside the years 1970 to 9999.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Option<Self> {
        match seconds.checked_mul(SECOND) {
            Some(millis) => Self::from_millis(millis),
            None => None,
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / SECOND
    }

    /// This instant moved forward, at most to the last one.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(by)).min(LAST))
    }

    /// This instant moved back, at most to the epoch.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(by)).max(0))
    }

    /// Reads `YYYY-MM-DDThh:mm:ss[.SSS]Z` (RFC 3339, section 5.6, in UTC).
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let formats = ["YYYY-MM-DDThh:mm:ssZ", "YYYY-MM-DDThh:mm:ss.SSSZ"];
        formats.iter().find_map(|pattern| TimeFormat::pattern(pattern).ok()?.read(text, Zone::UTC))
    }

    fn civil(self, zone: Zone) -> DateTime {
        // Every instant of the type lies within jiff's range, so the conversion cannot fail.
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        zone.offset().to_datetime(instant)
    }

    fn from_civil(at: DateTime, zone: Zone) -> Option<Self> {
        Self::from_millis(zone.offset().to_timestamp(at).ok()?.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil(Zone::UTC);
        write!(f, "{}T{}Z", at.date(), at.time())
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How far a signed time may lie from the verifier's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How old a request may be.
    pub past: Duration,
    /// How far ahead of the verifier's clock a request may be.
    pub future: Duration,
}

impl Window {
    /// The same on both sides.
    #[must_use]
    pub const fn both(span: Duration) -> Self {
        Self { past: span, future: span }
    }
}

/// A fixed offset from UTC in which a dialect writes its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone(i32);

impl Zone {
    pub(crate) const UTC: Self = Self(0);

    /// Reads `+hh:mm` or `-hh:mm`, up to 18 hours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.as_bytes().first()? {
            b'+' => (1, &text[1..]),
            b'-' => (-1, &text[1..]),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        if hours.len() != 2 || minutes.len() != 2 {
            return None;
        }
        let seconds = digits(hours.as_bytes())? * 3600 + digits(minutes.as_bytes())? * 60;
        (seconds <= 18 * 3600).then_some(Self(sign * i32::try_from(seconds).ok()?))
    }

    /// The offset in seconds, east of UTC positive.
    #[cfg(feature = "recipe")]
    pub(crate) const fn seconds(self) -> i32 {
        self.0
    }

    fn offset(self) -> Offset {
        Offset::from_seconds(self.0).unwrap_or(Offset::UTC)
    }
}

/// One way of writing an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Decimal seconds since the epoch.
    Unix,
    /// Decimal milliseconds since the epoch.
    UnixMillis,
    /// `Tue, 03 Jun 2008 11:05:30 GMT` (RFC 9110, section 5.6.7).
    HttpDate,
    /// A pattern of fields and literal characters.
    Pattern(Vec<Field>),
}

#[cfg(feature = "recipe")]
impl fmt::Display for TimeFormat {
    /// As dialect files name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("unix"),
            Self::UnixMillis => f.write_str("unix-ms"),
            Self::HttpDate => f.write_str("http-date"),
            Self::Pattern(fields) => fields.iter().try_for_each(|field| match field {
                Field::Literal(byte) => write!(f, "{}", char::from(*byte)),
                _ => f.write_str(FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name)),
            }),
        }
    }
}

/// A piece of a date pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millis,
    Literal(u8),
}

impl Field {
    const fn width(&self) -> usize {
        match self {
            Self::Year => 4,
            Self::Millis => 3,
            Self::Literal(_) => 1,
            _ => 2,
        }
    }
}

const FIELDS: [(&str, Field); 7] = [
    ("YYYY", Field::Year),
    ("SSS", Field::Millis),
    ("MM", Field::Month),
    ("DD", Field::Day),
    ("hh", Field::Hour),
    ("mm", Field::Minute),
    ("ss", Field::Second),
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl TimeFormat {
    /// Reads the name of a format or a date pattern. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "unix" => Ok(Self::Unix),
            "unix-ms" => Ok(Self::UnixMillis),
            "http-date" => Ok(Self::HttpDate),
            _ => Self::pattern(text),
        }
    }

    /// Whether a filter of this name is a time format.
    pub(crate) fn is_name(text: &str) -> bool {
        matches!(text, "unix" | "unix-ms" | "http-date") || text.contains("YYYY")
    }

    fn pattern(text: &str) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            if let Some((name, field)) = FIELDS.iter().find(|(name, _)| rest.starts_with(name)) {
                if fields.contains(field) {
                    return Err(format!("'{text}' names {name} twice"));
                }
                fields.push(field.clone());
                rest = &rest[name.len()..];
            } else if first.is_ascii_graphic() || first == b' ' {
                fields.push(Field::Literal(first));
                rest = &rest[1..];
            } else {
                return Err(format!("'{text}' holds a character that is not printable ASCII"));
            }
        }
        let has = |f: &Field| fields.contains(f);
        if !(has(&Field::Year) && has(&Field::Month) && has(&Field::Day)) {
            return Err(format!("'{text}' is no time format: unix, unix-ms, http-date, or a pattern with YYYY, MM and DD"));
        }
        Ok(Self::Pattern(fields))
    }

    /// Whether the text pins the instant to the second, not just to the day or hour.
    pub(crate) fn is_precise(&self) -> bool {
        match self {
            Self::Pattern(fields) => [Field::Hour, Field::Minute, Field::Second].iter().all(|field| fields.contains(field)),
            _ => true,
        }
    }

    /// Appends the instant's text.
    pub(crate) fn write(&self, at: Timestamp, zone: Zone, out: &mut Vec<u8>) {
        use std::io::Write;
        let civil = at.civil(zone);
        // Writing to a Vec cannot fail.
        let _ = match self {
            Self::Unix => write!(out, "{}", at.seconds()),
            Self::UnixMillis => write!(out, "{}", at.millis()),
            Self::HttpDate => {
                let at = at.civil(Zone::UTC);
                let (day, month) = (DAYS[weekday_index(at.weekday())], MONTHS[month_index(at.month())]);
                write!(out, "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT", at.day(), at.year(), at.hour(), at.minute(), at.second())
            }
            Self::Pattern(fields) => fields.iter().try_for_each(|field| match field {
                Field::Year => write!(out, "{:04}", civil.year()),
                Field::Month => write!(out, "{:02}", civil.month()),
                Field::Day => write!(out, "{:02}", civil.day()),
                Field::Hour => write!(out, "{:02}", civil.hour()),
                Field::Minute => write!(out, "{:02}", civil.minute()),
                Field::Second => write!(out, "{:02}", civil.second()),
                Field::Millis => write!(out, "{:03}", civil.millisecond()),
                Field::Literal(byte) => out.write_all(&[*byte]),
            }),
        };
    }

    /// Reads a text that was written in this format; `None` when it has another shape or names no instant.
    pub(crate) fn read(&self, text: &str, zone: Zone) -> Option<Timestamp> {
        match self {
            // 12 digits of seconds and 15 of milliseconds reach past the year 9999.
            Self::Unix => Timestamp::from_seconds(bounded(text, 12)?),
            Self::UnixMillis => Timestamp::from_millis(bounded(text, 15)?),
            Self::HttpDate => read_http_date(text),
            Self::Pattern(fields) => read_pattern(fields, text.as_bytes(), zone),
        }
    }
}

fn read_pattern(fields: &[Field], mut text: &[u8], zone: Zone) -> Option<Timestamp> {
    let (mut date, mut time) = ([0_i64; 3], [0_i64; 4]);
    for field in fields {
        let (head, rest) = text.split_at_checked(field.width())?;
        text = rest;
        match field {
            Field::Literal(byte) => {
                if head[0] != *byte {
                    return None;
                }
            }
            Field::Year => date[0] = digits(head)?,
            Field::Month => date[1] = digits(head)?,
            Field::Day => date[2] = digits(head)?,
            Field::Hour => time[0] = digits(head)?,
            Field::Minute => time[1] = digits(head)?,
            Field::Second => time[2] = digits(head)?,
            Field::Millis => time[3] = digits(head)?,
        }
    }
    text.is_empty().then_some(())?;
    civil(date, time).and_then(|at| Timestamp::from_civil(at, zone))
}

/// Reads an IMF-fixdate. Numeric zones of zero and `UTC` are in use by real clients beside `GMT`.
fn read_http_date(text: &str) -> Option<Timestamp> {
    let (day_name, rest) = text.split_once(", ")?;
    let mut words = rest.splitn(5, ' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (clock, zone) = (words.next()?, words.next()?);
    if !matches!(zone, "GMT" | "UTC" | "+0000" | "-0000" | "GMT+00:00") || day.len() != 2 || year.len() != 4 || clock.len() != 8 {
        return None;
    }
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let mut parts = clock.splitn(3, ':').map(|p| (p.len() == 2).then(|| digits(p.as_bytes())).flatten());
    let time = [parts.next()??, parts.next()??, parts.next()??, 0];
    let at = civil([digits(year.as_bytes())?, i64::try_from(month).ok()?, digits(day.as_bytes())?], time)?;
    (DAYS[weekday_index(at.weekday())] == day_name).then_some(())?;
    Timestamp::from_civil(at, Zone::UTC)
}

fn civil(date: [i64; 3], time: [i64; 4]) -> Option<DateTime> {
    let small = |n: i64| i8::try_from(n).ok();
    let date = Date::new(i16::try_from(date[0]).ok()?, small(date[1])?, small(date[2])?).ok()?;
    let time = jiff::civil::Time::new(small(time[0])?, small(time[1])?, small(time[2])?, i32::try_from(time[3]).ok()? * 1_000_000).ok()?;
    Some(date.to_datetime(time))
}

fn weekday_index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

fn month_index(month: i8) -> usize {
    usize::try_from(month - 1).unwrap_or(0)
}

fn bounded(text: &str, most: usize) -> Option<i64> {
    (text.len() <= most).then(|| digits(text.as_bytes())).flatten()
}

/// Reads ASCII digits only: no sign, no blank, at least one.
pub(crate) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Reads a span such as `15m`: digits and one of `s`, `m`, `h`, `d`.
pub(crate) fn parse_span(text: &str) -> Option<Duration> {
    let unit = match text.bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let count = u64::try_from(digits(&text.as_bytes()[..text.len() - 1])?).ok()?;
    (count <= 366 * 86_400 / unit).then(|| Duration::from_secs(count * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(format: &str, zone: Zone, millis: i64, text: &str) {
        let format = TimeFormat::parse(format).unwrap();
        let at = Timestamp::from_millis(millis).unwrap();
        let mut out = Vec::new();
        format.write(at, zone, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(format.read(text, zone), Some(at), "{text}");
    }

    #[test]
    fn formats_are_read_as_written() {
        both_ways("unix", Zone::UTC, 1_739_437_548_000, "1739437548");
        both_ways("unix-ms", Zone::UTC, 1_739_437_548_482, "1739437548482");
        both_ways("http-date", Zone::UTC, 1_498_151_721_000, "Thu, 22 Jun 2017 17:15:21 GMT");
        both_ways("YYYYMMDDThhmmssZ", Zone::UTC, 1_440_938_160_000, "20150830T123600Z");
        both_ways("YYYY-MM-DDThh:mm:ss.SSSZ", Zone::UTC, 1_440_938_160_007, "2015-08-30T12:36:00.007Z");
        both_ways("YYYY-MM-DD hh:mm:ss", Zone::parse("+08:00").unwrap(), 1_440_938_160_000, "2015-08-30 20:36:00");
    }

    #[test]
    fn what_names_no_instant_is_refused() {
        let none = |format: &str, text: &str| {
            assert_eq!(TimeFormat::parse(format).unwrap().read(text, Zone::UTC), None, "{text}");
        };
        for text in ["", "-1", "+1", " 1", "1.5", "NaN", "999999999999999", "١٢"] {
            none("unix", text);
        }
        for text in ["20150230T000000Z", "20150830T250000Z", "20150830T123600", "20150830T123600Zx", "2015083 T123600Z"] {
            none("YYYYMMDDThhmmssZ", text);
        }
        for text in ["Fri, 22 Jun 2017 17:15:21 GMT", "Thu, 22 Jun 2017 17:15:21 CET", "Thu, 2 Jun 2017 17:15:21 GMT"] {
            none("http-date", text);
        }
    }

    #[test]
    fn pattern_faults_are_named() {
        assert!(TimeFormat::parse("rfc1123").unwrap_err().contains("is no time format"));
        assert!(TimeFormat::parse("YYYYYYYYMMDD").unwrap_err().contains("twice"));
    }

    #[test]
    fn seconds_without_hours_and_minutes_pin_nothing() {
        let is_precise = |text: &str| TimeFormat::parse(text).unwrap().is_precise();
        assert!(is_precise("YYYYMMDDThhmmssZ") && is_precise("unix"));
        assert!(!["YYYY-MM-DD", "YYYY-MM-DD hh:mm", "YYYY-MM-DD mm:ss", "YYYY-MM-DD hh:ss"].into_iter().any(is_precise));
    }

    #[test]
    fn instants_saturate_and_show_in_utc() {
        let at = Timestamp::parse_rfc3339("2026-01-02T03:04:05.678Z").unwrap();
        assert_eq!(at.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(at.minus(Duration::MAX).millis(), 0);
        assert_eq!(at.plus(Duration::MAX).millis(), LAST);
        assert_eq!(Timestamp::from_millis(-1), None);
        assert_eq!(parse_span("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_span("99999999d"), None);
    }
}
