//! A report as JUnit's XML, for systems that show tests: a suite for each dialect, a case for each vector and column.

use std::fmt::Write as _;

use super::{Cell, Check, Report, Verdict};

/// The report as XML.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"conformance\">\n");
    if !report.broken.is_empty() {
        let faults: Vec<String> = report.broken.iter().map(|(place, fault)| format!("{place}: {fault}")).collect();
        let _ = writeln!(out, "  <testsuite name=\"adapter\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\">");
        let _ = writeln!(out, "    <testcase classname=\"adapter\" name=\"speaks the protocol\">");
        let _ = writeln!(out, "      <error message=\"the adapter is broken\">{}</error>", escaped(&faults.join("\n")));
        out.push_str("    </testcase>\n  </testsuite>\n");
    }
    for (dialect, _) in &report.offered {
        suite(report, dialect, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

/// The checks of one vector and column.
struct TestCase<'r> {
    name: String,
    checks: Vec<&'r Check>,
}

impl TestCase<'_> {
    fn faults(&self) -> Vec<String> {
        let told = |check: &&Check| match &check.verdict {
            Verdict::Failed(why) => Some(format!("{}: {why}", check.what)),
            _ => None,
        };
        self.checks.iter().filter_map(told).collect()
    }

    fn unanswered(&self) -> Option<&str> {
        self.checks.iter().find_map(|check| match &check.verdict {
            Verdict::Broken(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// The reason, where everything was skipped.
    fn skipped(&self) -> Option<&str> {
        let why = |check: &Check| matches!(check.verdict, Verdict::Skipped(_));
        if !self.checks.iter().all(|check| why(check)) {
            return None;
        }
        self.checks.iter().find_map(|check| match &check.verdict {
            Verdict::Skipped(why) => Some(why.as_str()),
            _ => None,
        })
    }
}

fn suite(report: &Report, dialect: &str, out: &mut String) {
    let mut cases: Vec<TestCase<'_>> = Vec::new();
    for cell in Cell::ALL {
        for check in report.checks.iter().filter(|check| check.dialect == dialect && check.cell == cell) {
            let name = format!("{} {}", check.vector, cell.title());
            match cases.last_mut().filter(|case| case.name == name) {
                Some(case) => case.checks.push(check),
                None => cases.push(TestCase { name, checks: vec![check] }),
            }
        }
    }
    let count = |of: &dyn Fn(&TestCase<'_>) -> bool| cases.iter().filter(|case| of(case)).count();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        escaped(dialect),
        cases.len(),
        count(&|case| !case.faults().is_empty()),
        count(&|case| case.faults().is_empty() && case.unanswered().is_some()),
        count(&|case| case.skipped().is_some()),
    );
    for case in &cases {
        test_case(dialect, case, out);
    }
    out.push_str("  </testsuite>\n");
}

fn test_case(dialect: &str, case: &TestCase<'_>, out: &mut String) {
    let open = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(dialect), escaped(&case.name));
    let faults = case.faults();
    let inner = if !faults.is_empty() {
        format!("<failure message=\"differs from the vector\">{}</failure>", escaped(&faults.join("\n")))
    } else if let Some(why) = case.unanswered() {
        format!("<error message=\"no answer\">{}</error>", escaped(why))
    } else if let Some(why) = case.skipped() {
        format!("<skipped message=\"{}\"/>", escaped(why))
    } else {
        let _ = writeln!(out, "{open}/>");
        return;
    };
    let _ = writeln!(out, "{open}>{inner}</testcase>");
}

/// Text as XML and HTML write it. What XML 1.0 cannot hold becomes U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(char),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            char if char.is_control() => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(escaped("<a b=\"c\">&\0\u{1b}\n"), "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}\u{fffd}\n");
    }
}
