//! The text form of metrics that Prometheus reads (text format 0.0.4).

use std::fmt::{Display, Write};

use super::series::Histogram;

/// The media type of the text.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels of a value: names and values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text that is being written, family by family.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

/// The family that is being written.
pub(crate) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Text {
    pub(crate) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    pub(crate) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    pub(crate) fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        put(&mut self.0, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: &mut self.0, name }
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub(crate) fn value(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    pub(crate) fn values_of(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let buckets = histogram.cumulated();
        for (bound, count) in &buckets {
            self.line("_bucket", labels, Some(bound), count);
        }
        self.line("_sum", labels, None, histogram.sum());
        self.line("_count", labels, None, buckets.last().map_or(0, |(_, count)| *count));
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        put(self.text, format_args!("{}{suffix}", self.name));
        let bound = bound.map(|bound| ("le", bound));
        for (i, (name, value)) in labels.iter().copied().chain(bound).enumerate() {
            put(self.text, format_args!("{}{name}=\"{}\"", if i == 0 { '{' } else { ',' }, escaped(value)));
        }
        let end = if labels.is_empty() && bound.is_none() { "" } else { "}" };
        put(self.text, format_args!("{end} {value}\n"));
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(what);
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.counter("a_total", "How many.").value(&[("route", "a\\b\"c\nd"), ("reason", "none")], 3);
        text.gauge("b", "Now.").value(&[], 1.5);
        let histogram = Histogram::of_durations();
        histogram.note(100);
        text.histogram("c_seconds", "How long.").values_of(&[("route", "/")], &histogram);
        let text = text.into_string();
        let head = "# HELP a_total How many.\n# TYPE a_total counter\na_total{route=\"a\\\\b\\\"c\\nd\",reason=\"none\"} 3\n# HELP b Now.\n# TYPE b gauge\nb 1.5\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\nc_seconds_bucket{route=\"/\",le=\"0.0001\"} 1\n"), "{text}");
        assert!(
            text.ends_with(
                "c_seconds_bucket{route=\"/\",le=\"+Inf\"} 1\nc_seconds_sum{route=\"/\"} 0.0001\nc_seconds_count{route=\"/\"} 1\n"
            ),
            "{text}"
        );
    }
}
