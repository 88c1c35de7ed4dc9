//! Writes every mutant of a file into it at once, each behind a switch, so that one build serves all of them.
//!
//! What an operator binds stays as it is: where cargo-mutants writes `a || b && c` for the first `&&` of `a && b && c`, `(a || b) && c` is tried.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Block, Expr, ExprBinary, ExprUnary, ImplItemFn, ItemFn, ReturnType, Signature, TraitItemFn, Type};

use super::list::{Genre, Mutant};
use crate::Task;

/// A file with its mutants in it.
pub(super) struct Woven {
    pub(super) text: String,
    /// The numbers of those that are in it.
    pub(super) numbers: BTreeSet<usize>,
    /// The numbers of those that no compiler would take.
    pub(super) unviable: BTreeSet<usize>,
}

/// The code that opens a module of switches, and what asks one.
pub(super) const SWITCHES: &str = include_str!("switches.rs");

fn switch(number: usize) -> String {
    format!("crate::woven::is({number})")
}

/// Weaves these mutants, which have numbers, into their file.
pub(super) fn weave<'a>(source: &str, mutants: impl Iterator<Item = (usize, &'a Mutant)>) -> Task<Woven> {
    let file = syn::parse_file(source)?;
    let lines = Lines::of(source);
    let mut at: HashMap<Range<usize>, Vec<(usize, &Mutant)>> = HashMap::new();
    for (number, mutant) in mutants {
        at.entry(lines.bytes(mutant)).or_default().push((number, mutant));
    }
    let mut weaver = Weaver { source, at, edits: Vec::new(), numbers: BTreeSet::new(), unviable: BTreeSet::new() };
    weaver.visit_file(&file);
    Ok(Woven { text: applied(source, weaver.edits), numbers: &weaver.numbers - &weaver.unviable, unviable: weaver.unviable })
}

/// The mutants inside whose code this byte of a woven text is: of the innermost.
pub(super) fn numbers_at(text: &str, byte: usize) -> Vec<usize> {
    let mut open: Vec<Vec<usize>> = Vec::new();
    for mark in text.get(..byte).unwrap_or(text).split("/*m").skip(1) {
        match mark.split_once("*/").map(|(inner, _)| inner) {
            Some("") => drop(open.pop()),
            Some(inner) => open.push(inner.split(' ').filter_map(|word| word.parse().ok()).collect()),
            None => {}
        }
    }
    open.pop().unwrap_or_default()
}

/// Code that belongs to these mutants, marked so that a fault of the compiler can be traced to them.
fn marked(numbers: &[usize], code: &str) -> String {
    format!("{}{code}/*m*/", mark(numbers))
}

fn mark(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("/*m{}*/", words.join(" "))
}

struct Lines(Vec<String>);

impl Lines {
    fn of(source: &str) -> Self {
        Self(source.split_inclusive('\n').map(str::to_owned).collect())
    }

    fn bytes(&self, mutant: &Mutant) -> Range<usize> {
        let byte = |line: usize, column: usize| {
            let before: usize = self.0.iter().take(line - 1).map(String::len).sum();
            let within: usize = self.0.get(line - 1).map_or(0, |text| text.chars().take(column - 1).map(char::len_utf8).sum());
            before + within
        };
        let (start, end) = (&mutant.span.start, &mutant.span.end);
        byte(start.line, start.column)..byte(end.line, end.column)
    }
}

/// Text that takes the place of a range, which may be empty.
struct Edit {
    range: Range<usize>,
    /// What closes stands before what opens, where both stand at one place.
    opens: bool,
    text: String,
}

fn applied(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, edit.opens));
    let (mut text, mut done) = (String::new(), 0);
    for edit in edits {
        text.push_str(source.get(done..edit.range.start).unwrap_or_default());
        text.push_str(&edit.text);
        done = done.max(edit.range.end);
    }
    text.push_str(source.get(done..).unwrap_or_default());
    text
}

struct Weaver<'a> {
    source: &'a str,
    at: HashMap<Range<usize>, Vec<(usize, &'a Mutant)>>,
    edits: Vec<Edit>,
    numbers: BTreeSet<usize>,
    unviable: BTreeSet<usize>,
}

impl<'a> Weaver<'a> {
    fn take(&mut self, range: Range<usize>, genre: Genre) -> Vec<(usize, &'a Mutant)> {
        let here = self.at.get(&range).into_iter().flatten();
        let taken: Vec<_> = here.filter(|(_, mutant)| mutant.genre == genre).copied().collect();
        self.numbers.extend(taken.iter().map(|(number, _)| *number));
        taken
    }

    fn open(&mut self, at: usize, text: String) {
        self.edits.push(Edit { range: at..at, opens: true, text });
    }

    fn close(&mut self, at: usize, text: String) {
        self.edits.push(Edit { range: at..at, opens: false, text });
    }

    fn replace(&mut self, range: Range<usize>, text: &str) {
        self.edits.push(Edit { range, opens: true, text: text.to_owned() });
    }

    fn body(&mut self, signature: &Signature, block: &Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let range = first.span().byte_range().start..last.span().byte_range().end;
        let taken = self.take(range.clone(), Genre::FnValue);
        let is_mutated = self.at.keys().any(|at| range.start <= at.start && at.end <= range.end);
        if let Some(constness) = signature.constness.as_ref().filter(|_| is_mutated) {
            // A switch is no constant. Nothing but functions calls these.
            self.replace(constness.span().byte_range(), "");
        }
        let hidden = match &signature.output {
            ReturnType::Type(_, output) if matches!(**output, Type::ImplTrait(_)) => self.source.get(output.span().byte_range()),
            _ => None,
        };
        let Some(hidden) = hidden.and_then(|hidden| hidden.strip_prefix("impl ")) else {
            for (number, mutant) in taken {
                let code = format!("if {} {{ return {}; }} ", switch(number), mutant.replacement);
                self.open(range.start, marked(&[number], &code));
            }
            return;
        };
        // All that is returned must be of one type.
        self.open(range.start, format!("let woven: Box<dyn {hidden} + '_> = "));
        for (number, mutant) in taken {
            let code = marked(&[number], &format!("Box::new({})", mutant.replacement));
            self.open(range.start, format!("if {} {{ {code} }} else ", switch(number)));
        }
        self.open(range.start, "{ Box::new({ ".to_owned());
        self.close(range.end, " }) }; woven".to_owned());
    }

    /// `a OP b` with each other operator behind its switch; both sides are evaluated once.
    fn operator(&mut self, node: &ExprBinary, taken: &[(usize, &Mutant)]) {
        let (whole, op) = (node.span().byte_range(), node.op.span().byte_range());
        let numbers: Vec<usize> = taken.iter().map(|(number, _)| *number).collect();
        let choice = |left: &str, right: &str| {
            let mut code = String::new();
            for (number, mutant) in taken {
                let other = marked(&[*number], &format!("{left} {} {right}", mutant.replacement));
                code.push_str(&format!("if {} {{ {other} }} else ", switch(*number)));
            }
            code + &format!("{{ {left} {} {right} }}", self.source.get(op.clone()).unwrap_or_default())
        };
        let (opening, between, closing) = match node.op {
            BinOp::Eq(_) | BinOp::Ne(_) => {
                let either: Vec<String> = numbers.iter().map(|number| switch(*number)).collect();
                (format!("(({}) != (", either.join(" || ")), None, "))".to_owned())
            }
            // `&&` goes on if the left side holds, `||` if it does not.
            BinOp::And(_) | BinOp::Or(_) => {
                let either: Vec<String> = numbers.iter().map(|number| switch(*number)).collect();
                let goes_on =
                    format!("woven_left {} ({})", if matches!(node.op, BinOp::And(_)) { "!=" } else { "==" }, either.join(" || "));
                let between = format!("; if {goes_on} {{ ");
                ("({ let woven_left: bool = ".to_owned(), Some(between), " } else { woven_left } })".to_owned())
            }
            BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_) => {
                let chosen = choice("*woven_left", "*woven_right");
                let closing = format!(")) {{ (woven_left, woven_right) => {chosen} }})");
                ("(match (&(".to_owned(), Some("), &(".to_owned()), closing)
            }
            _ => {
                let closing = format!(")) {{ (woven_left, woven_right) => {} }})", choice("woven_left", "woven_right"));
                ("(match ((".to_owned(), Some("), (".to_owned()), closing)
            }
        };
        self.open(whole.start, mark(&numbers) + &opening);
        if let Some(between) = between {
            self.replace(op, &between);
        }
        visit::visit_expr_binary(self, node);
        self.close(whole.end, closing + "/*m*/");
    }

    /// `a OP= b`: the left side stands once in each branch.
    fn assignment(&mut self, node: &ExprBinary, taken: &[(usize, &Mutant)]) {
        let (left, right, op) = (node.left.span().byte_range(), node.right.span().byte_range(), node.op.span().byte_range());
        let place = self.source.get(left.clone()).unwrap_or_default();
        let numbers: Vec<usize> = taken.iter().map(|(number, _)| *number).collect();
        let mut code = String::from(") { woven_right => ");
        for (number, mutant) in taken {
            let other = marked(&[*number], &format!("{place} {} woven_right", mutant.replacement));
            code.push_str(&format!("if {} {{ {other} }} else ", switch(*number)));
        }
        code.push_str(&format!("{{ {place} {} woven_right }} }})/*m*/", self.source.get(op).unwrap_or_default()));
        self.replace(left.start..right.start, &format!("{}(match (", mark(&numbers)));
        self.visit_expr(&node.right);
        self.close(right.end, code);
    }
}

impl<'ast> Visit<'ast> for Weaver<'_> {
    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        self.body(&node.sig, &node.block);
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        self.body(&node.sig, &node.block);
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast TraitItemFn) {
        if let Some(block) = &node.default {
            self.body(&node.sig, block);
        }
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        let mut taken = self.take(node.op.span().byte_range(), Genre::BinaryOperator);
        if binds(&node.left) || binds(&node.right) {
            // Of `a && let ..` no other operator makes sense, to the compiler either.
            self.unviable.extend(taken.drain(..).map(|(number, _)| number));
        }
        match taken.as_slice() {
            [] => visit::visit_expr_binary(self, node),
            taken if is_assignment(&node.op) => self.assignment(node, taken),
            taken => self.operator(node, taken),
        }
    }

    fn visit_expr_unary(&mut self, node: &'ast ExprUnary) {
        let (whole, op) = (node.span().byte_range(), node.op.span().byte_range());
        let is_not = matches!(node.op, syn::UnOp::Not(_));
        let taken = if is_not { self.take(op, Genre::UnaryOperator) } else { Vec::new() };
        for (number, _) in &taken {
            self.open(whole.start, format!("{}({} != (", mark(&[*number]), switch(*number)));
        }
        visit::visit_expr_unary(self, node);
        for _ in &taken {
            self.close(whole.end, "))/*m*/".to_owned());
        }
    }

    fn visit_arm(&mut self, node: &'ast Arm) {
        for (number, _) in self.take(node.span().byte_range(), Genre::MatchArm) {
            self.close(node.pat.span().byte_range().end, marked(&[number], &format!(" if !{}", switch(number))));
        }
        let Some((_, guard)) = node.guard.as_ref().filter(|(_, guard)| !binds(guard)) else { return visit::visit_arm(self, node) };
        let range = guard.span().byte_range();
        let taken = self.take(range.clone(), Genre::MatchArmGuard);
        for (number, mutant) in &taken {
            let is_always = mutant.replacement == "true";
            let code = if is_always { format!("({} || (", switch(*number)) } else { format!("(!{} && (", switch(*number)) };
            self.open(range.start, mark(&[*number]) + &code);
        }
        visit::visit_arm(self, node);
        for _ in &taken {
            self.close(range.end, "))/*m*/".to_owned());
        }
    }
}

/// Whether it is a chain of conditions of which one is a `let`.
fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, right, op: BinOp::And(_), .. }) => binds(left) || binds(right),
        _ => false,
    }
}

fn is_assignment(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::list::{Place, Span};

    /// A mutant of the first place where this text stands.
    fn mutant(source: &str, text: &str, genre: Genre, replacement: &str) -> Mutant {
        let at = source.find(text).unwrap();
        let place = |at: usize| Place { line: 1, column: source[..at].chars().count() + 1 };
        let span = Span { start: place(at), end: place(at + text.len()) };
        Mutant { name: String::new(), file: String::new(), genre, replacement: replacement.to_owned(), span }
    }

    fn woven(source: &str, mutants: &[(&str, Genre, &str)]) -> Woven {
        let mutants: Vec<Mutant> = mutants.iter().map(|(text, genre, other)| mutant(source, text, *genre, other)).collect();
        weave(source, mutants.iter().enumerate()).unwrap()
    }

    /// Without the marks.
    fn bare(woven: &Woven) -> String {
        let mut pieces = woven.text.split("/*m");
        let first = pieces.next().unwrap_or_default().to_owned();
        let text = pieces.fold(first, |text, piece| text + piece.split_once("*/").unwrap().1);
        text.replace("crate::woven::", "")
    }

    #[test]
    fn each_operator_stands_behind_its_switch_and_each_side_once() {
        let source = "fn f(a: u8, é: bool) -> bool { é && a + 1 < 3 }";
        let mutants = [("&&", Genre::BinaryOperator, "||"), ("<", Genre::BinaryOperator, "=="), ("+", Genre::BinaryOperator, "-")];
        let woven = woven(source, &mutants);
        assert_eq!(woven.numbers, BTreeSet::from([0, 1, 2]));
        let sum =
            "(match ((a ), ( 1)) { (woven_left, woven_right) => if is(2) { woven_left - woven_right } else { woven_left + woven_right } })";
        let less = "{ (woven_left, woven_right) => if is(1) { *woven_left == *woven_right } else { *woven_left < *woven_right } })";
        let both = format!(
            "({{ let woven_left: bool = é ; if woven_left != (is(0)) {{  (match (&({sum} ), &( 3)) {less} }} else {{ woven_left }} }})"
        );
        assert_eq!(bare(&woven), format!("fn f(a: u8, é: bool) -> bool {{ {both} }}"));
        syn::parse_file(&woven.text).unwrap();
    }

    #[test]
    fn a_body_a_negation_and_an_arm() {
        let source = "const fn f(a: bool) -> u8 { match !a { true if a => 1, false => 2, _ => 3 } }";
        let whole = "match !a { true if a => 1, false => 2, _ => 3 }";
        let mutants = [(whole, Genre::FnValue, "0"), ("!", Genre::UnaryOperator, ""), ("false => 2,", Genre::MatchArm, "")];
        let woven = woven(source, &mutants);
        let text = " fn f(a: bool) -> u8 { if is(0) { return 0; } match (is(1) != (!a)) { true if a => 1, false if !is(2) => 2, _ => 3 } }";
        assert_eq!(bare(&woven), text);
        assert_eq!(woven.numbers, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn what_cannot_be_is_told_from_what_can() {
        let woven =
            woven("fn f(a: bool) -> bool { if a && let Some(_) = g() { true } else { false } }", &[("&&", Genre::BinaryOperator, "||")]);
        assert_eq!((woven.numbers, woven.unviable), (BTreeSet::new(), BTreeSet::from([0])));
    }

    #[test]
    fn a_fault_of_the_compiler_is_of_the_innermost_mutants() {
        let text = "a /*m1 2*/ b /*m3*/ c /*m*/ d /*m*/ e";
        let at = |word: &str| numbers_at(text, text.find(word).unwrap());
        assert_eq!((at("a"), at("b"), at("c"), at("d"), at("e")), (vec![], vec![1, 2], vec![3], vec![1, 2], vec![]));
    }
}
