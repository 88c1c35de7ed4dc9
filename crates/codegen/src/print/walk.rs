//! The walk over statements and values, the same for every language; each spells what it meets.

use super::{Syntax, escape};
use crate::code::{Expr, Stmt, Test};

/// The widest line of a value that is written on one line.
const WIDTH: usize = 110;

/// The statements of a signer.
pub(super) fn statements(syntax: &dyn Syntax, body: &[Stmt]) -> String {
    let mut printer = Printer { syntax, out: String::new(), changing: changing(body) };
    printer.body(body, syntax.depth());
    printer.out
}

/// A line of a comment on lines that are not too wide, parted at blanks.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        if let Some(line) = lines.last_mut() {
            if line.len() + word.len() > WIDTH && !line.trim().is_empty() {
                lines.push(format!("  {word}"));
            } else {
                line.push_str(word);
            }
        }
    }
    lines
}

/// The variables that get a new value after their first.
fn changing(body: &[Stmt]) -> Vec<String> {
    let mut found = Vec::new();
    for stmt in body {
        match stmt {
            Stmt::Set { name, .. } => found.push(name.clone()),
            Stmt::If { then, otherwise, .. } => {
                found.extend(changing(then));
                found.extend(changing(otherwise));
            }
            Stmt::Each { body, .. } => found.extend(changing(body)),
            _ => {}
        }
    }
    found
}

struct Printer<'p> {
    syntax: &'p dyn Syntax,
    out: String,
    changing: Vec<String>,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        if !text.is_empty() {
            self.out.push_str(&self.syntax.indent().repeat(depth));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    fn body(&mut self, body: &[Stmt], depth: usize) {
        body.iter().for_each(|stmt| self.stmt(stmt, depth));
    }

    fn stmt(&mut self, stmt: &Stmt, depth: usize) {
        let syntax = self.syntax;
        match stmt {
            Stmt::Blank => self.line(depth, ""),
            Stmt::Comment(lines) => {
                for line in lines.iter().flat_map(|line| wrapped(line)) {
                    let text = escape::comment_line(syntax.comment(), &line);
                    self.line(depth, text.trim_end());
                }
            }
            Stmt::Let { name, kind, value } => {
                let variable = syntax.variable(name);
                let text = match value {
                    Expr::List(items) if items.is_empty() => syntax.declare_list(&variable, *kind),
                    _ => syntax.declare(&variable, *kind, &self.spread(value, depth), self.changing.contains(name)),
                };
                self.line(depth, &text);
            }
            Stmt::Set { name, value } => {
                let text = syntax.set(&syntax.variable(name), &self.spread(value, depth));
                self.line(depth, &text);
            }
            Stmt::If { test, then, otherwise } => {
                self.line(depth, &syntax.open_if(&self.condition(test)));
                self.body(then, depth + 1);
                if !otherwise.is_empty() {
                    self.line(depth, syntax.open_else());
                    self.body(otherwise, depth + 1);
                }
                self.close(depth);
            }
            Stmt::Each { item, of, list, body } => {
                self.line(depth, &syntax.open_each(&syntax.variable(item), *of, &self.expr(list)));
                self.body(body, depth + 1);
                self.close(depth);
            }
            Stmt::Next => self.line(depth, &syntax.next()),
            Stmt::Push { list, item } => {
                let text = syntax.push(&syntax.variable(list), &self.expr(item));
                self.line(depth, &text);
            }
            Stmt::Do(helper, arguments) => {
                let text = format!("{}{}", self.wide_call(helper, arguments, depth), syntax.end());
                self.line(depth, &text);
            }
            Stmt::Fail(words) => {
                let text = syntax.fail(&self.expr(words));
                self.line(depth, &text);
            }
            Stmt::Stage { name, value } => {
                let text = syntax.stage(name, &self.expr(value));
                self.line(depth, &text);
            }
        }
    }

    fn close(&mut self, depth: usize) {
        if let Some(close) = self.syntax.close() {
            self.line(depth, close);
        }
    }

    /// A value, on several lines where one would be too wide or the text itself has several.
    fn spread(&self, value: &Expr, depth: usize) -> String {
        let parts = match value {
            Expr::Concat(parts) => parts,
            Expr::Call(helper, arguments) => return self.wide_call(helper, arguments, depth),
            other => return self.top(other),
        };
        let whole = self.expr(value);
        let breaks = parts.iter().filter(|part| matches!(part, Expr::Lit(bytes) if bytes.contains(&b'\n'))).count();
        if whole.len() <= WIDTH && breaks < 2 {
            return whole;
        }
        self.syntax.spread(&self.lines(parts), &self.syntax.indent().repeat(depth))
    }

    /// Parts on lines: a line ends where the text's own does, or where it would be too wide.
    fn lines(&self, parts: &[Expr]) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line: Vec<String> = Vec::new();
        for part in parts {
            let text = self.expr(part);
            if line.iter().map(|text| text.len() + 3).sum::<usize>() + text.len() > WIDTH && !line.is_empty() {
                lines.push(self.sum(&std::mem::take(&mut line)));
            }
            line.push(text);
            if matches!(part, Expr::Lit(bytes) if bytes.ends_with(b"\n")) {
                lines.push(self.sum(&std::mem::take(&mut line)));
            }
        }
        if !line.is_empty() {
            lines.push(self.sum(&line));
        }
        let last = lines.len().saturating_sub(1);
        let ended = lines.into_iter().enumerate();
        ended.map(|(i, line)| if i < last { format!("{line} {}", self.syntax.plus()) } else { line }).collect()
    }

    /// A call, on several lines where one would be too wide.
    fn wide_call(&self, helper: &str, arguments: &[Expr], depth: usize) -> String {
        let whole = self.call(helper, arguments);
        if whole.len() <= WIDTH {
            return whole;
        }
        let inner = format!("\n{}", self.syntax.indent().repeat(depth + 1));
        match arguments.split_last() {
            Some((Expr::Concat(parts), before)) => {
                let before: String = self.exprs(before).iter().map(|text| format!("{text}, ")).collect();
                let lines = self.lines(parts).join(&inner);
                format!("{}({}{inner}{lines})", self.syntax.callee(helper), before.trim_end())
            }
            _ => format!("{}({inner}{})", self.syntax.callee(helper), self.exprs(arguments).join(&format!(",{inner}"))),
        }
    }

    fn sum(&self, parts: &[String]) -> String {
        parts.join(&format!(" {} ", self.syntax.plus()))
    }

    fn exprs(&self, list: &[Expr]) -> Vec<String> {
        list.iter().map(|e| self.expr(e)).collect()
    }

    fn call(&self, helper: &str, arguments: &[Expr]) -> String {
        format!("{}({})", self.syntax.callee(helper), self.exprs(arguments).join(", "))
    }

    fn expr(&self, value: &Expr) -> String {
        let syntax = self.syntax;
        match value {
            Expr::Lit(bytes) => syntax.literal(bytes),
            Expr::Word(word) => syntax.word(word),
            Expr::Var(name) => syntax.variable(name),
            Expr::Message(what) => syntax.message(what),
            Expr::At(0) => syntax.variable("at"),
            Expr::At(later) if *later < 0 => format!("{} - {}", syntax.variable("at"), syntax.number(later.saturating_neg())),
            Expr::At(later) => format!("{} + {}", syntax.variable("at"), syntax.number(*later)),
            Expr::Number(number) => syntax.number(*number),
            Expr::Given(given) => syntax.given(given),
            Expr::Concat(parts) => self.sum(&self.exprs(parts)),
            Expr::Call(helper, arguments) => self.call(helper, arguments),
            Expr::TheMessage => syntax.the_message(),
            Expr::TheCredential => syntax.the_credential(),
            Expr::TheOptions => syntax.the_options(),
            Expr::List(items) => syntax.list(&self.exprs(items)),
            Expr::Row(items) => syntax.row(&self.exprs(items)),
            Expr::Item(list, index) => syntax.item(&self.expr(list), *index),
            Expr::FirstOf(..) if syntax.firsts_by_operator() => format!("({})", self.top(value)),
            Expr::Pick(..) if syntax.picks_by_operator() => format!("({})", self.top(value)),
            Expr::FirstOf(..) | Expr::Pick(..) => self.top(value),
        }
    }

    /// A value that stands alone.
    fn top(&self, value: &Expr) -> String {
        match value {
            Expr::FirstOf(one, other) => self.syntax.first_of(&self.expr(one), &self.expr(other)),
            Expr::Pick(test, yes, no) => self.syntax.pick(&self.test(test), &self.expr(yes), &self.expr(no)),
            other => self.expr(other),
        }
    }

    /// A test that stands alone.
    fn condition(&self, test: &Test) -> String {
        let texts = |tests: &[Test]| tests.iter().map(|t| self.test(t)).collect::<Vec<_>>();
        match test {
            Test::All(tests) if tests.len() > 1 => texts(tests).join(self.syntax.all()),
            Test::Any(tests) if tests.len() > 1 => texts(tests).join(self.syntax.any()),
            other => self.test(other),
        }
    }

    fn test(&self, test: &Test) -> String {
        let syntax = self.syntax;
        let joined = |tests: &[Test], with: &str| {
            let texts: Vec<String> = tests.iter().map(|t| self.test(t)).collect();
            if texts.len() > 1 { format!("({})", texts.join(with)) } else { texts.concat() }
        };
        match test {
            Test::Filled(value) => syntax.filled(&self.operand(value)),
            Test::Empty(value) => syntax.empty(&self.operand(value)),
            Test::NoItems(list) => syntax.no_items(&self.expr(list)),
            Test::Same(a, b) => syntax.same(&self.operand(a), &self.operand(b)),
            Test::Holds(helper, arguments) => self.call(helper, arguments),
            Test::HeadersGiven => syntax.headers_given(),
            Test::Omits(word) => syntax.omits(word),
            Test::Not(inner) => match &**inner {
                Test::All(_) | Test::Any(_) | Test::Holds(..) | Test::Omits(_) => syntax.not(&self.test(inner)),
                inner => syntax.not(&format!("({})", self.test(inner))),
            },
            Test::Any(tests) if tests.is_empty() => syntax.never().to_owned(),
            Test::All(tests) => joined(tests, syntax.all()),
            Test::Any(tests) => joined(tests, syntax.any()),
        }
    }

    /// A value beside an operator.
    fn operand(&self, value: &Expr) -> String {
        match value {
            Expr::Concat(_) => format!("({})", self.expr(value)),
            _ => self.expr(value),
        }
    }
}
