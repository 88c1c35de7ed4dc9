//! Texts as a whole: their line ends, their lines, what is done to them before they are signed.

use super::super::place::{self, Home};
use super::super::process::{Alteration, Process};
use super::message::{lower_triplets, replace};
use super::{Mutation, op_mut, places};
use crate::dialect::plan::{Op, Program, Source};
use crate::digest::DigestAlgorithm;
use crate::encoding;
use crate::engine::filters::apply_all;

/// The most lines of a text of which each is tried to be left out.
const MOST_LINES: usize = 24;

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let mut all = alterations(base);
    for home in place::reachable(base.plan()).into_iter().filter(|home| home.is_text()) {
        let Some(program) = home.program(base.plan()) else { continue };
        all.extend(lines(base, home, program));
        all.extend(parts(base, home, program));
        all.extend(separators(base, home, program));
    }
    all
}

const ALTERATIONS: [(&str, u8, &str, Alteration); 15] = [
    ("text-newline-added", 1, "wrote a line feed at the end", |t| [t, b"\n"].concat()),
    ("text-newline-left-out", 1, "left out the line feed at the end", |t| t.strip_suffix(b"\n").unwrap_or(t).to_vec()),
    ("text-crlf", 1, "ended lines with CR LF", |t| replace(t, b"\n", b"\r\n")),
    ("text-lines-joined", 1, "joined the lines without line feeds", |t| replace(t, b"\n", b"")),
    ("text-newline-escaped", 1, "wrote a backslash and an n in the place of line feeds", |t| replace(t, b"\n", b"\\n")),
    ("text-lines-joined", 2, "joined the lines with blanks", |t| replace(t, b"\n", b" ")),
    ("text-lines-joined", 2, "joined the lines with commas", |t| replace(t, b"\n", b",")),
    ("text-lines-joined", 2, "joined the lines with &", |t| replace(t, b"\n", b"&")),
    ("text-empty-lines-left-out", 1, "left out empty lines", |t| {
        let lines: Vec<&[u8]> = t.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        lines.join(&b'\n')
    }),
    ("text-trimmed", 1, "removed blanks and line ends around it", |t| t.trim_ascii().to_vec()),
    ("text-percent-encoded", 2, "percent-encoded it", |t| {
        let mut out = Vec::new();
        encoding::percent(t, b"", &mut out);
        out
    }),
    ("escape-lower-case", 2, "wrote percent triplets in lower case", lower_triplets),
    ("text-lower-case", 2, "wrote it in lower case", <[u8]>::to_ascii_lowercase),
    ("text-upper-case", 2, "wrote it in upper case", <[u8]>::to_ascii_uppercase),
    ("text-mark-added", 2, "wrote a byte order mark before it", |t| [b"\xef\xbb\xbf", t].concat()),
];

const HASHED: [(&str, Alteration); 4] = [
    ("the hexadecimal SHA-256 of", |t| encoding::hex(&DigestAlgorithm::Sha256.digest(t))),
    ("the bytes of the SHA-256 of", |t| DigestAlgorithm::Sha256.digest(t)),
    ("the hexadecimal MD5 of", |t| encoding::hex(&DigestAlgorithm::Md5.digest(t))),
    ("the base64 text of", encoding::base64),
];

fn alterations(base: &Process) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (id, cost, deed, alter) in ALTERATIONS {
        all.push(at_the_end(
            id,
            cost,
            format!("the signer {deed} of the string to sign").replace("it of the string to sign", "the string to sign"),
            alter,
        ));
    }
    for (name, alter) in HASHED {
        all.push(at_the_end("text-hashed", 1, format!("the signer signed {name} the string to sign"), alter));
    }
    // A text that is hashed into another one has ends and lines of its own.
    for (home, index, op) in places(base, |s| matches!(s, Source::Let(_))) {
        let Op::Put { source: Source::Let(inner), filters } = &op else { continue };
        if filters.is_empty() {
            continue;
        }
        let (inner, filters) = (*inner, filters.clone());
        let path = Home::Let(inner).path(base.plan());
        for (id, cost, deed, alter) in ALTERATIONS {
            let what = format!("the signer {deed} of {path}").replace(&format!("it of {path}"), &path);
            let (like, filters) = (op.clone(), filters.clone());
            all.push(Mutation::new(id, cost, path.clone(), what, move |process| {
                let program = home.program(process.plan())?.clone();
                let plain = Op::Put { source: Source::Let(inner), filters: Vec::new() };
                let text = process.render_op(&program, &plain).ok()?;
                let altered = alter(&text);
                if altered == text || process.plan().lets.get(inner)?.program.tainted {
                    return None;
                }
                super::replace_op(process, home, index, &like, apply_all(&filters, &altered).ok()?)
            }));
        }
        let like = op.clone();
        let what = format!("the signer signed {path} itself, not its digest");
        all.push(Mutation::new("text-not-hashed", 2, place::rule(base.plan(), home, index), what, move |process| {
            let Op::Put { filters, .. } = op_mut(process, home, index, &like)? else { return None };
            filters.clear();
            Some(())
        }));
    }
    all
}

fn at_the_end(id: &'static str, cost: u8, what: String, alter: Alteration) -> Mutation {
    Mutation::new(id, cost, "string_to_sign", what, move |process| {
        process.after.push(alter);
        Some(())
    })
}

/// The lines of a program: the operations between line feeds. A bracket that holds a line feed belongs to its line.
fn split(program: &Program) -> Vec<Vec<Op>> {
    let mut all = vec![Vec::new()];
    let mut depth = 0_usize;
    for op in &program.ops {
        match op {
            Op::Literal(text) if depth == 0 => {
                for (i, piece) in text.split(|b| *b == b'\n').enumerate() {
                    if i > 0 {
                        all.push(Vec::new());
                    }
                    if let Some(line) = all.last_mut().filter(|_| !piece.is_empty()) {
                        line.push(Op::Literal(piece.to_vec()));
                    }
                }
                continue;
            }
            Op::Begin => depth += 1,
            Op::End => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(line) = all.last_mut() {
            line.push(op.clone());
        }
    }
    all
}

fn joined(lines: Vec<Vec<Op>>) -> Vec<Op> {
    let mut ops = Vec::new();
    for (i, line) in lines.into_iter().enumerate() {
        if i > 0 {
            ops.push(Op::Literal(b"\n".to_vec()));
        }
        ops.extend(line);
    }
    ops
}

fn lines(base: &Process, home: Home, program: &Program) -> Vec<Mutation> {
    let count = split(program).len();
    if count < 2 {
        return Vec::new();
    }
    let mut all = Vec::new();
    let path = home.path(base.plan());
    let reshape = |id, cost, line: usize, what: String, change: fn(&mut Vec<Vec<Op>>, usize) -> Option<()>| {
        Mutation::new(id, cost, format!("{path}[{line}]"), what, move |process| {
            let program = home.program_mut(process.plan_mut())?;
            let mut lines = split(program);
            (lines.len() == count).then_some(())?;
            change(&mut lines, line)?;
            program.ops = joined(lines);
            Some(())
        })
        .reshaping()
    };
    for (line, ops) in split(program).iter().enumerate().take(MOST_LINES) {
        let shown = shown(base, ops);
        let what = format!("the signer left out line {line} of {path}: {shown}");
        all.push(reshape("line-left-out", 2, line, what, |lines, line| (line < lines.len()).then(|| drop(lines.remove(line)))));
        let what = format!("the signer wrote line {line} of {path} after the next one: {shown}");
        all.push(reshape("lines-exchanged", 3, line, what, |lines, line| (line + 1 < lines.len()).then(|| lines.swap(line, line + 1))));
        let what = format!("the signer wrote an empty line after line {line} of {path}: {shown}");
        all.push(reshape("empty-line-added", 3, line, what, |lines, line| {
            (line < lines.len()).then(|| lines.insert(line + 1, Vec::new()))
        }));
    }
    all
}

/// A line of a template, as its file writes it.
fn shown(base: &Process, ops: &[Op]) -> String {
    let text = place::template(base.plan(), ops);
    if text.is_empty() { "the empty line".to_owned() } else { text }
}

/// Single values that were empty, and brackets that were kept.
fn parts(base: &Process, home: Home, program: &Program) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (index, op) in program.ops.iter().enumerate() {
        let rule = place::rule(base.plan(), home, index);
        match op {
            Op::Put { .. } => {
                let name = place::template(base.plan(), std::slice::from_ref(op));
                let like = op.clone();
                let what = format!("{name} was empty when it was signed");
                all.push(Mutation::new("part-empty", 3, rule.clone(), what, move |process| {
                    super::rewrite_op(process, home, index, &like, |_| Vec::new())
                }));
                let what = format!("the signer left out {name} with what stands before or after it");
                all.push(
                    Mutation::new("part-left-out", 3, rule, what, move |process| {
                        let ops = &mut home.program_mut(process.plan_mut())?.ops;
                        let beside = if index > 0 { index - 1 } else { index + 1 };
                        matches!(ops.get(beside), Some(Op::Literal(_))).then(|| {
                            ops[beside] = Op::Literal(Vec::new());
                            ops[index] = Op::Literal(Vec::new());
                        })
                    })
                    .reshaping(),
                );
            }
            Op::Begin => {
                let what = "the signer kept what the dialect leaves out when it has no value".to_owned();
                all.push(Mutation::new("optional-kept", 1, rule, what, move |process| {
                    let ops = &mut home.program_mut(process.plan_mut())?.ops;
                    let end = matching_end(ops, index)?;
                    ops[index] = Op::Literal(Vec::new());
                    ops[end] = Op::Literal(Vec::new());
                    Some(())
                }));
            }
            _ => {}
        }
    }
    all
}

fn matching_end(ops: &[Op], begin: usize) -> Option<usize> {
    matches!(ops.get(begin), Some(Op::Begin)).then_some(())?;
    let mut depth = 0_usize;
    ops.iter().enumerate().skip(begin).find_map(|(index, op)| {
        match op {
            Op::Begin => depth += 1,
            Op::End => {
                depth -= 1;
                return (depth == 0).then_some(index);
            }
            _ => {}
        }
        None
    })
}

/// What stands between the parts of a text of one line, and literals that were left out.
fn separators(base: &Process, home: Home, program: &Program) -> Vec<Mutation> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut all = Vec::new();
    for (index, op) in program.ops.iter().enumerate() {
        let Op::Literal(literal) = op else { continue };
        let is_mark = literal.len() <= 2 && literal.iter().all(|b| b.is_ascii_punctuation() || *b == b' ');
        if literal.is_empty() || literal.contains(&b'\n') || seen.contains(literal) {
            continue;
        }
        seen.push(literal.clone());
        let rule = place::rule(base.plan(), home, index);
        let others: &[&str] = if is_mark { &["", "\n", "&", ",", ":", ".", "|", "-", ": ", " "] } else { &[""] };
        for other in others.iter().filter(|other| other.as_bytes() != literal) {
            let shown = if other.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", other.escape_default()) };
            let what = format!("the signer wrote {shown} in the place of \"{}\"", literal.escape_ascii());
            let (from, to) = (literal.clone(), other.as_bytes().to_vec());
            let put = Mutation::new("separator-otherwise", if is_mark { 1 } else { 2 }, rule.clone(), what, move |process| {
                let mut found = false;
                for op in &mut home.program_mut(process.plan_mut())?.ops {
                    if let Op::Literal(text) = op
                        && *text == from
                    {
                        text.clone_from(&to);
                        found = true;
                    }
                }
                found.then_some(())
            });
            all.push(put);
        }
    }
    all
}
