//! From a dialect as written to its plan: the one place where names are resolved and a definition is judged.

mod carry;
mod checks;
mod delimit;
mod influence;
mod lists;
mod loss;
mod names;

use std::time::Duration;

use super::error::LoadError;
use super::hazard::Hazard;
use super::part::Part;
use super::plan::*;
use super::replay::ReplayMode;
use super::template::{self, Piece};
use super::written::{self, AlgorithmChoice, Written};
use crate::algorithm::{Algorithm, KeyFamily, RSA_BITS, RSA_BITS_LEAST, RSA_BITS_MOST};
use crate::digest::DigestAlgorithm;
use crate::time::{TimeFormat, Window, Zone, parse_span};
pub(crate) use influence::part_of;
#[cfg(feature = "lint")]
pub(crate) use loss::CASELESS;
pub(crate) use loss::{cut_at, list_of, stands_for_all};
use names::{Scope, resolve};

/// How far a signed time may lie from the verifier's clock when the file does not say.
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);
/// The most named texts, and the most names and bytes of a text in which they are all written out.
const MOST_LETS: usize = 64;
const MOST_WRITTEN_OUT: usize = 64 << 10;
const SPAN_MEND: &str = "write digits and one of s, m, h, d, such as 5m";

/// Compiles a file.
pub(crate) fn compile(written: &Written) -> Result<Plan, LoadError> {
    identifier(&written.dialect, "dialect")?;
    let compiler = Compiler::new(written)?;
    let mut plan = compiler.plan()?;
    checks::check(written, &plan)?;
    let influence::Able { parts, partly, list } = influence::able(&plan);
    (plan.able, plan.signs_list) = (parts, list);
    checks::check_signed(written, &plan, &partly)?;
    delimit::guard(&mut plan, &checks::used_names(written)?)?;
    plan.replay = replay(written, &plan)?;
    plan.hazards.extend(hazards(&plan, written));
    Ok(plan)
}

/// Resolves names against one file.
pub(super) struct Compiler<'w> {
    written: &'w Written,
    /// The named texts in the order in which they can be rendered.
    lets: Vec<Let>,
    /// How much each of them is written out.
    lengths: Vec<usize>,
}

impl<'w> Compiler<'w> {
    fn new(written: &'w Written) -> Result<Self, LoadError> {
        names::check_declared(written)?;
        if written.lets.len() > MOST_LETS {
            return Err(LoadError::new("let", format!("more than {MOST_LETS} texts"), "write them where they are used"));
        }
        let mut compiler = Self { written, lets: Vec::new(), lengths: Vec::new() };
        for (name, _) in &written.lets {
            compiler.add_let(name, &mut Vec::new())?;
        }
        Ok(compiler)
    }

    /// Compiles a named text after those that it uses.
    fn add_let(&mut self, name: &'w str, path: &mut Vec<&'w str>) -> Result<(), LoadError> {
        if self.let_index(name).is_some() {
            return Ok(());
        }
        let at = format!("let.{name}");
        if path.contains(&name) {
            path.push(name);
            return Err(LoadError::new(at, format!("refers to itself through {}", path.join(" -> ")), "break the circle"));
        }
        let Some((_, text)) = self.written.lets.iter().find(|(n, _)| n == name) else { return Ok(()) };
        path.push(name);
        let pieces = template::parse(text, &at)?;
        let mut used: Vec<String> = template::names(&pieces).into_iter().map(str::to_owned).collect();
        if let Some(digest) = self.written.body_digest.as_ref().filter(|_| used.iter().any(|n| n == "body_digest")) {
            used.extend(template::names(&template::parse(&digest.is, "body_digest.is")?).into_iter().map(str::to_owned));
        }
        for other in used {
            if let Some((other, _)) = self.written.lets.iter().find(|(n, _)| *n == other) {
                self.add_let(other, path)?;
            }
        }
        path.pop();
        let program = self.program(&pieces, &at, Scope::Text)?;
        self.lengths.push(self.written_out(&pieces));
        self.lets.push(Let { name: name.to_owned(), program });
        Ok(())
    }

    pub(super) fn let_index(&self, name: &str) -> Option<usize> {
        self.lets.iter().position(|l| l.name == name)
    }

    fn template(&self, text: &str, path: &str, scope: Scope) -> Result<Program, LoadError> {
        self.program(&template::parse(text, path)?, path, scope)
    }

    pub(super) fn program(&self, pieces: &[Piece], path: &str, scope: Scope) -> Result<Program, LoadError> {
        self.check_length(pieces, path)?;
        let mut program = Program::default();
        self.emit(pieces, path, scope, &mut program)?;
        Ok(program)
    }

    pub(super) fn check_length(&self, pieces: &[Piece], path: &str) -> Result<(), LoadError> {
        if self.written_out(pieces) <= MOST_WRITTEN_OUT {
            return Ok(());
        }
        let fault = format!("longer than {MOST_WRITTEN_OUT} bytes with every named text in its place");
        Err(LoadError::new(path, fault, "say it with fewer names"))
    }

    /// How much a text is with every named text in its place; a name counts also where its text is empty.
    fn written_out(&self, pieces: &[Piece]) -> usize {
        let lengths = pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Name { name, .. } => self.let_index(name).map_or(1, |index| self.lengths[index].saturating_add(1)),
            Piece::Optional(inner) => self.written_out(inner),
        });
        lengths.fold(0, usize::saturating_add)
    }

    fn emit(&self, pieces: &[Piece], path: &str, scope: Scope, program: &mut Program) -> Result<(), LoadError> {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => program.ops.push(Op::Literal(text.clone().into_bytes())),
                Piece::Name { name, filters } => {
                    let source = resolve(self, name, path, scope)?;
                    let filters = names::filters(&source, filters, path)?;
                    self.note(&source, &filters, program)?;
                    program.ops.push(Op::Put { source, filters });
                }
                Piece::Optional(inner) => {
                    program.ops.push(Op::Begin);
                    self.emit(inner, path, scope, program)?;
                    program.ops.push(Op::End);
                }
            }
        }
        Ok(())
    }

    /// Notes what a program needs before it, and whether it shows a secret.
    fn note(&self, source: &Source, filters: &[Filter], program: &mut Program) -> Result<(), LoadError> {
        match source {
            // A MAC of a further secret tells nothing of it: that is how some vendors send theirs.
            Source::SecretPart(_) if filters.contains(&Filter::Hmac) => {}
            Source::Secret | Source::SecretPart(_) => program.tainted = true,
            Source::Let(index) => {
                let used = &self.lets[*index].program;
                program.tainted |= used.tainted;
                for need in used.needs.iter().chain([index]) {
                    if !program.needs.contains(need) {
                        program.needs.push(*need);
                    }
                }
            }
            Source::Claim(Claimed::BodyDigest) => {
                if let Some(digest) = &self.written.body_digest {
                    for name in template::names(&template::parse(&digest.is, "body_digest.is")?) {
                        if let Some(index) = self.let_index(name) {
                            self.note(&Source::Let(index), &[], program)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn plan(self) -> Result<Plan, LoadError> {
        let w = self.written;
        let text = w.string_to_sign.as_ref().map(|t| self.template(t, "string_to_sign", Scope::Text)).transpose()?;
        let carry = carry::entries(&self)?;
        Ok(Plan {
            id: w.dialect.clone(),
            family: w.family.clone().unwrap_or_else(|| w.dialect.clone()),
            title: w.title.clone(),
            source: w.source.clone(),
            replaces: w.replaces.clone(),
            of_response: self.of_response()?,
            inputs: w.inputs.iter().map(|(name, optional)| Input { name: name.clone(), optional: *optional }).collect(),
            secrets: w.secrets.clone(),
            headers: lists::headers(&self)?,
            query: lists::pairs(&self, "query", w.query.as_ref(), &["query"])?,
            form: lists::pairs(&self, "form", w.form.as_ref(), &["form"])?,
            params: lists::pairs(&self, "params", w.params.as_ref(), &["query", "form"])?,
            digest: self.digest()?,
            key: self.key()?,
            algorithm: self.algorithm(text.is_some())?,
            signature: self.signature()?,
            time: self.time()?,
            expires: self.expires()?,
            nonce_keep: w.nonce_keep.as_ref().map(|s| span(s, "nonce.keep")).transpose()?,
            replay: ReplayMode::None,
            event: w.event.as_ref().map(|t| self.template(t, "event", Scope::Text)).transpose()?,
            require: requirements(w)?,
            diagnostics: self.diagnostics()?,
            able: Default::default(),
            signs_list: false,
            guards: Vec::new(),
            hazards: Vec::new(),
            carry,
            text,
            lets: self.lets,
        })
    }

    fn of_response(&self) -> Result<bool, LoadError> {
        match self.written.message.as_deref() {
            None | Some("request") => Ok(false),
            Some("response") => Ok(true),
            Some(other) => Err(LoadError::new("message", format!("'{other}' is no kind of message"), "one of request, response")),
        }
    }

    fn digest(&self) -> Result<Option<DigestRule>, LoadError> {
        let Some(digest) = &self.written.body_digest else { return Ok(None) };
        let is = self.template(&digest.is, "body_digest.is", Scope::Text)?;
        let when = match digest.when.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => When::Always,
            ["asked"] => When::Asked,
            ref conditions => When::All(conditions.iter().map(|c| condition(c)).collect::<Result<_, _>>()?),
        };
        let streamed = match &is.ops[..] {
            [Op::Put { source: Source::Body, filters }] => match filters.split_first() {
                Some((Filter::Digest(algorithm), rest)) => Some((*algorithm, rest.to_vec())),
                _ => None,
            },
            _ => None,
        };
        Ok(Some(DigestRule { is, when, unsigned: digest.unsigned.clone(), streamed }))
    }

    fn key(&self) -> Result<KeyRule, LoadError> {
        let Some(key) = &self.written.key else {
            let from = self.template(written::SECRET, "key", Scope::Text)?;
            return Ok(KeyRule { from, chain: Vec::new(), encode: None, rsa_bits: RSA_BITS });
        };
        let chain = key.hmac.iter().enumerate().map(|(i, text)| self.template(text, &format!("key.hmac[{i}]"), Scope::Text));
        Ok(KeyRule {
            from: self.template(&key.from, "key.from", Scope::Text)?,
            chain: chain.collect::<Result<_, _>>()?,
            encode: key.encode.as_ref().map(|word| encoding(word, "key.as")).transpose()?,
            rsa_bits: self.rsa_bits(key.rsa_bits.as_deref())?,
        })
    }

    fn rsa_bits(&self, written: Option<&str>) -> Result<usize, LoadError> {
        let Some(text) = written else { return Ok(RSA_BITS) };
        let refuse = |fault: String, mend: &'static str| Err(LoadError::new("key.rsa_bits", fault, mend));
        let takes_rsa = self.written.algorithm.iter().flat_map(AlgorithmChoice::names).filter_map(Algorithm::from_name);
        if !takes_rsa.into_iter().any(|a| a.family() == KeyFamily::Rsa) {
            return refuse("no algorithm of the dialect takes an RSA key".to_owned(), "remove it");
        }
        match text.parse() {
            Ok(bits) if (RSA_BITS_LEAST..=RSA_BITS_MOST).contains(&bits) => Ok(bits),
            _ => refuse(format!("{text} is out of range"), "a number of bits from 1024 to 8192"),
        }
    }

    fn algorithm(&self, signs: bool) -> Result<AlgorithmRule, LoadError> {
        match &self.written.algorithm {
            None if signs => Err(LoadError::new("algorithm", "missing", "name it, such as hmac-sha256")),
            None => Ok(AlgorithmRule::None),
            Some(_) if !signs => Err(LoadError::new("algorithm", "described, but nothing is signed", "add string_to_sign, or remove it")),
            Some(AlgorithmChoice::List(names)) => Ok(AlgorithmRule::OneOf(algorithms(names, "algorithm")?)),
            Some(AlgorithmChoice::Map(pairs)) => {
                let pairs = pairs.iter().map(|(word, names)| Ok((word.clone(), algorithms(names, &format!("algorithm.{word}"))?)));
                Ok(AlgorithmRule::Named(pairs.collect::<Result<_, LoadError>>()?))
            }
        }
    }

    fn signature(&self) -> Result<SignatureRule, LoadError> {
        let written = &self.written.signature;
        if written.several.as_deref() == Some("") {
            return Err(LoadError::new("signature.several", "empty", "say what stands between two signatures"));
        }
        Ok(SignatureRule { encoding: encoding(&written.encoding, "signature")?, several: written.several.clone() })
    }

    fn time(&self) -> Result<Option<TimeRule>, LoadError> {
        let Some(time) = &self.written.time else { return Ok(None) };
        let formats = time.format.iter().map(|text| instant(text, "time.format")).collect::<Result<Vec<_>, _>>()?;
        let bound = |text: &Option<String>, path| text.as_ref().map_or(Ok(DEFAULT_WINDOW), |s| span(s, path));
        let zone = time.zone.as_ref().map_or(Ok(Zone::UTC), |z| {
            Zone::parse(z).ok_or_else(|| LoadError::new("time.zone", format!("'{z}' is no offset"), "write it as \"+08:00\""))
        })?;
        let window = Window { past: bound(&time.past, "time.window.past")?, future: bound(&time.future, "time.window.future")? };
        Ok(Some(TimeRule { formats, window, zone }))
    }

    fn expires(&self) -> Result<Option<ExpiresRule>, LoadError> {
        let Some(expires) = &self.written.expires else { return Ok(None) };
        let form = match (expires.unit.as_deref(), expires.format.as_deref()) {
            (Some("s"), None) => ExpiresForm::Seconds,
            (Some("ms"), None) => ExpiresForm::Millis,
            (None, Some(text)) => ExpiresForm::At(instant(text, "expires.format")?),
            (Some(other), None) => return Err(LoadError::new("expires.unit", format!("'{other}' is no unit"), "one of s, ms")),
            _ => {
                return Err(LoadError::new(
                    "expires",
                    "needs a unit or a format, and not both",
                    "write unit: s, unit: ms, or format: unix",
                ));
            }
        };
        let default = expires.default.as_ref().map(|s| span(s, "expires.default")).transpose()?;
        let max = span(&expires.max, "expires.max")?;
        if default.is_some_and(|default| default.is_zero() || default > max) {
            return Err(LoadError::new(
                "expires.default",
                "no span that is accepted",
                "write one that is longer than 0, and no longer than expires.max",
            ));
        }
        Ok(Some(ExpiresRule { form, default, max }))
    }

    fn diagnostics(&self) -> Result<Option<DiagnosticsRule>, LoadError> {
        let Some(written) = &self.written.diagnostics else { return Ok(None) };
        if written.header.is_none() != written.body {
            return Err(LoadError::new("diagnostics", "needs a header or body: true, and not both", "name the header that shows the text"));
        }
        let text = self.template(&written.text, "diagnostics.text", Scope::Diagnostics)?;
        Ok(Some(DiagnosticsRule { header: written.header.clone(), text, newline: written.newline.clone() }))
    }
}

pub(super) fn identifier(text: &str, path: &str) -> Result<(), LoadError> {
    let fine = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fine { Ok(()) } else { Err(LoadError::new(path, format!("'{text}' is no id"), "use lower-case letters, digits and -, at most 64")) }
}

/// The format of an instant, to the second.
fn instant(text: &str, path: &str) -> Result<TimeFormat, LoadError> {
    let format = TimeFormat::parse(text).map_err(|fault| LoadError::new(path, fault, "name a format, or mend the pattern"))?;
    if format.is_precise() {
        Ok(format)
    } else {
        Err(LoadError::new(path, format!("'{text}' does not reach to the second"), "add hh, mm and ss"))
    }
}

fn span(text: &str, path: &str) -> Result<Duration, LoadError> {
    parse_span(text).ok_or_else(|| LoadError::new(path, format!("'{text}' is no span of time"), SPAN_MEND))
}

fn encoding(word: &str, path: &str) -> Result<SignatureEncoding, LoadError> {
    match word {
        "hex" => Ok(SignatureEncoding::Hex),
        "base64" => Ok(SignatureEncoding::Base64),
        "base64url" => Ok(SignatureEncoding::Base64Url),
        _ => Err(LoadError::new(path, format!("'{word}' is no encoding"), "one of hex, base64, base64url")),
    }
}

fn algorithms(names: &[String], path: &str) -> Result<Vec<Algorithm>, LoadError> {
    let one = |name: &String| {
        let known = || format!("one of {}", Algorithm::names().collect::<Vec<_>>().join(", "));
        Algorithm::from_name(name).ok_or_else(|| LoadError::new(path, format!("'{name}' is no algorithm"), known()))
    };
    if names.is_empty() {
        return Err(LoadError::new(path, "empty", "name at least one algorithm"));
    }
    names.iter().map(one).collect()
}

fn condition(text: &str) -> Result<Condition, LoadError> {
    match text.split_once(' ') {
        None if text == "body" => Ok(Condition::Body),
        None if text == "not-form" => Ok(Condition::NotForm),
        Some(("method", method)) if !method.is_empty() => Ok(Condition::Method(method.to_owned())),
        _ => Err(LoadError::new("body_digest.when", format!("'{text}' is no condition"), "asked alone, or of body, not-form, method NAME")),
    }
}

fn requirements(written: &Written) -> Result<Vec<Requirement>, LoadError> {
    let part = |text: &String, path: &str| {
        Part::parse(text).ok_or_else(|| {
            LoadError::new(path, format!("'{text}' is no part"), "such as method, path, query, body, host, time, nonce, header.NAME")
        })
    };
    let waived = written.waive.iter().map(|t| part(t, "waive")).collect::<Result<Vec<_>, _>>()?;
    let always = [Part::Method, Part::Path, Part::Query, Part::Body, Part::Time, Part::Nonce];
    let mut all: Vec<_> = always.into_iter().filter(|p| !waived.contains(p)).map(Requirement::Part).collect();
    for text in &written.require {
        all.push(match text.strip_prefix("header.").filter(|name| name.ends_with('*')) {
            Some(prefix) => Requirement::Headers(HeaderPattern::parse(prefix)),
            None => Requirement::Part(part(text, "require")?),
        });
    }
    Ok(all)
}

/// The file's own choice; else by what is signed.
fn replay(written: &Written, plan: &Plan) -> Result<ReplayMode, LoadError> {
    let carried = |what| plan.carry.iter().any(|e| e.holds(what));
    let mode = match &written.replay {
        Some(word) => ReplayMode::from_name(word).ok_or_else(|| {
            LoadError::new(
                "replay",
                format!("'{word}' is no replay rule"),
                "one of nonce, signature, safe-methods-exempt, until-expiry, event, none",
            )
        })?,
        None if carried(Claimed::Nonce) && plan.able.contains(&Part::Nonce) => ReplayMode::Nonce,
        None if carried(Claimed::Time) && plan.able.contains(&Part::Time) => ReplayMode::SafeMethodsExempt,
        None => ReplayMode::None,
    };
    let lacks = match mode {
        ReplayMode::Nonce if !carried(Claimed::Nonce) => "a nonce that is carried",
        ReplayMode::UntilExpiry if !carried(Claimed::Expires) => "an expiry that is carried",
        ReplayMode::Event if plan.event.is_none() => "event: the text that names the event",
        _ => return Ok(mode),
    };
    Err(LoadError::new("replay", format!("{mode} needs {lacks}"), "add it, or choose another replay rule"))
}

fn hazards(plan: &Plan, written: &Written) -> Vec<Hazard> {
    let mut all = Vec::new();
    if plan.text.is_none() {
        all.push(Hazard::ShowsSecret);
        return all;
    }
    if plan.algorithm.all().iter().any(|a| matches!(a, Algorithm::Plain(_))) {
        all.push(Hazard::UnkeyedDigest);
    }
    if plan.key.rsa_bits < RSA_BITS {
        all.push(Hazard::ShortKeys(plan.key.rsa_bits));
    }
    if !plan.able.contains(&Part::Time) {
        all.push(Hazard::NoTime);
    }
    if !plan.able.contains(&Part::Nonce) {
        all.push(Hazard::NoNonce);
    }
    all.extend(written.waive.iter().filter_map(|text| Part::parse(text)).map(Hazard::Unsigned));
    for part in [Part::Method, Part::Path, Part::Query, Part::Body] {
        if !plan.of_response && !plan.able.contains(&part) && !all.contains(&Hazard::Unsigned(part.clone())) {
            all.push(Hazard::Unsigned(part));
        }
    }
    all
}

/// The digest that a body must go through for these filters, if they begin with one.
pub(crate) fn leading_digest(filters: &[Filter]) -> Option<DigestAlgorithm> {
    match filters.first() {
        Some(Filter::Digest(algorithm)) => Some(*algorithm),
        _ => None,
    }
}
