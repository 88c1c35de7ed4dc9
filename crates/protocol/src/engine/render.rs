//! Runs programs onto the end of one buffer, and notes which parts of the message reached it.
//!
//! Every stage stays in the buffer, so that it can be shown; where a secret stands is kept as a range, so that it can be
//! masked without searching for it.

use std::collections::BTreeSet;
use std::ops::Range;

use zeroize::Zeroize;

use super::filters;
use super::judge::digests_all;
use super::lists::{self, Row};
use super::scene::{Scene, split_port};
use crate::credential::SigningKey;
use crate::dialect::Part;
use crate::dialect::compile::{leading_digest, part_of, stands_for_all};
use crate::dialect::plan::{Claimed, Condition, Filter, Op, Program, Repeated, Source, When};
use crate::encoding::{self, Decoding};
use crate::message::Body;
use crate::reason::{Reason, Refusal};
use crate::secret::Secret;

/// The most bytes that rendering may give beside the message itself.
const MOST_BYTES: usize = 64 << 20;

/// The room that a buffer has from the start: a key's first text, which holds the secret, is then never moved and left behind.
const ROOM: usize = 2 * 1024;

/// A buffer of stages, and the parts that reached them.
pub(crate) struct Renderer<'s, 'a> {
    scene: &'s Scene<'a>,
    out: Vec<u8>,
    lets: Vec<Option<Rendered>>,
    secrets: Vec<Range<usize>>,
    covers: BTreeSet<Part>,
    /// Whether an item of a list was cut short.
    cut: bool,
}

/// A rendered text: where it stands, and what it covers.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) range: Range<usize>,
    pub(crate) covers: BTreeSet<Part>,
}

/// One item of a list while its template is rendered.
#[derive(Clone, Copy)]
struct Item<'i> {
    name: &'i [u8],
    value: &'i [u8],
}

impl<'s, 'a> Renderer<'s, 'a> {
    pub(crate) fn new(scene: &'s Scene<'a>) -> Self {
        Self {
            scene,
            out: Vec::with_capacity(ROOM),
            lets: vec![None; scene.plan.lets.len()],
            secrets: Vec::new(),
            covers: BTreeSet::new(),
            cut: false,
        }
    }

    /// Renders a program after the named texts that it needs.
    pub(crate) fn text(&mut self, program: &Program) -> Result<Rendered, Refusal> {
        for index in &program.needs {
            if self.lets[*index].is_none() {
                let plan = self.scene.plan;
                self.lets[*index] = Some(self.alone(&plan.lets[*index].program)?);
            }
        }
        self.alone(program)
    }

    /// The bytes of a rendered text.
    pub(crate) fn bytes(&self, rendered: &Rendered) -> &[u8] {
        &self.out[rendered.range.clone()]
    }

    /// The bytes of a rendered text, with `***` where a secret stands.
    pub(crate) fn masked(&self, rendered: &Rendered) -> Vec<u8> {
        let mut out = Vec::with_capacity(rendered.range.len());
        let mut at = rendered.range.start;
        for secret in self.secrets.iter().filter(|s| s.start >= rendered.range.start && s.end <= rendered.range.end) {
            out.extend_from_slice(&self.out[at..secret.start.max(at)]);
            out.extend_from_slice(b"***");
            at = secret.end.max(at);
        }
        out.extend_from_slice(&self.out[at..rendered.range.end]);
        out
    }

    /// The named texts that were rendered, in their order.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (&'a str, Vec<u8>)> {
        let named = self.scene.plan.lets.iter().zip(&self.lets);
        named.filter_map(|(l, r)| r.as_ref().map(|r| (l.name.as_str(), self.masked(r))))
    }

    fn alone(&mut self, program: &Program) -> Result<Rendered, Refusal> {
        let outer = std::mem::take(&mut self.covers);
        let start = self.out.len();
        self.run(program, None)?;
        let covers = std::mem::replace(&mut self.covers, outer);
        Ok(Rendered { range: start..self.out.len(), covers })
    }

    fn run(&mut self, program: &Program, item: Option<Item<'_>>) -> Result<(), Refusal> {
        let mut open: Vec<(usize, bool)> = Vec::new();
        for op in &program.ops {
            match op {
                Op::Literal(text) => self.out.extend_from_slice(text),
                Op::Begin => open.push((self.out.len(), false)),
                Op::End => {
                    if let Some((start, false)) = open.pop() {
                        self.out.truncate(start);
                    }
                }
                Op::Put { source, filters } => {
                    let start = self.out.len();
                    self.put(source, filters, item)?;
                    if self.out.len() > start {
                        open.iter_mut().for_each(|(_, has_value)| *has_value = true);
                    }
                }
            }
        }
        if self.out.len() > MOST_BYTES + self.scene.body_bytes().map_or(0, <[u8]>::len) * 4 {
            return Err(Refusal::new(Reason::MalformedClaim, "the texts of this request are too long"));
        }
        Ok(())
    }

    fn put(&mut self, source: &Source, filters: &[Filter], item: Option<Item<'_>>) -> Result<(), Refusal> {
        // A value that gives way to a header reaches no text, and so is not covered.
        let gives_way = |filter: &Filter| matches!(filter, Filter::UnlessHeader(name) if self.scene.message.has_header(name));
        if let Some(Filter::UnlessHeader(name)) = filters.iter().find(|filter| gives_way(filter)) {
            self.covers.insert(Part::Header(name.clone()));
            return Ok(());
        }
        let outer = std::mem::take(&mut self.covers);
        let start = self.out.len();
        let done = self.value(source, filters, item)?;
        let is_secret = matches!(source, Source::Secret | Source::SecretPart(_));
        let mut cut = false;
        for (at, filter) in filters.iter().enumerate().skip(done) {
            if let Filter::First(count) = filter {
                cut |= self.out.len() - start > *count && !stands_for_all(self.scene.plan, source, &filters[..at], *count);
            }
            self.filter(filter, start, is_secret)?;
        }
        // What is cut short is not covered.
        let covered = std::mem::replace(&mut self.covers, outer);
        if !cut {
            self.covers.extend(covered);
        }
        self.cut |= cut && item.is_some();
        self.mark_secret(source, filters, start);
        Ok(())
    }

    /// Appends a source's value, and tells how many of its filters went into it.
    fn value(&mut self, source: &Source, filters: &[Filter], item: Option<Item<'_>>) -> Result<usize, Refusal> {
        if let (Some(Filter::Time(format)), Some(time)) = (filters.first(), &self.scene.plan.time) {
            let at = self.scene.instant.ok_or_else(|| Refusal::new(Reason::MalformedClaim, "no time is carried"))?;
            format.write(at, time.zone, &mut self.out);
            if format.is_precise() {
                self.covers.insert(Part::Time);
            }
            return Ok(1);
        }
        if let (Source::Body, Some(algorithm), Body::Digests(digests)) = (source, leading_digest(filters), self.scene.body) {
            let digest = digests
                .get(algorithm)
                .ok_or_else(|| Refusal::new(Reason::Internal, format!("the {} of the body was not computed", algorithm.as_str())))?;
            self.out.extend_from_slice(digest);
            self.covers.insert(Part::Body);
            return Ok(1);
        }
        self.raw(source, item)?;
        Ok(0)
    }

    fn filter(&mut self, filter: &Filter, start: usize, is_secret: bool) -> Result<(), Refusal> {
        let mut value = match filter {
            Filter::Hmac => self.hmac(start)?,
            // That it is there was seen before: it is not.
            Filter::UnlessHeader(name) => {
                self.covers.insert(Part::Header(name.clone()));
                return Ok(());
            }
            _ => filters::apply(filter, &self.out[start..])?,
        };
        if is_secret {
            self.out[start..].zeroize();
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&value);
        if is_secret {
            value.zeroize();
        }
        Ok(())
    }

    /// A MAC under the dialect's own key.
    fn hmac(&self, start: usize) -> Result<Vec<u8>, Refusal> {
        let algorithm = self.scene.algorithm.ok_or_else(|| Refusal::new(Reason::Internal, "no algorithm is chosen"))?;
        let (key, _) = derive_key(self.scene)?;
        let tag = key.sign(algorithm, &self.out[start..]);
        tag.map(|t| t.as_bytes().to_vec()).ok_or_else(|| Refusal::new(Reason::Internal, "the key does not fit the algorithm"))
    }

    /// Remembers where a secret stands, so that it can be masked. A filtered secret is masked whole.
    fn mark_secret(&mut self, source: &Source, filters: &[Filter], start: usize) {
        let end = self.out.len();
        match source {
            Source::Secret | Source::SecretPart(_) => self.secrets.push(start..end),
            Source::Let(index) if self.scene.plan.lets[*index].program.tainted => {
                let Some(Some(used)) = self.lets.get(*index) else { return };
                if filters.is_empty() {
                    let inner: Vec<_> =
                        self.secrets.iter().filter(|s| s.start >= used.range.start && s.end <= used.range.end).cloned().collect();
                    let from = used.range.start;
                    self.secrets.extend(inner.into_iter().map(|s| start + s.start - from..start + s.end - from));
                } else {
                    self.secrets.push(start..end);
                }
            }
            _ => {}
        }
    }

    /// Appends a source's own bytes, and notes what is covered by them.
    fn raw(&mut self, source: &Source, item: Option<Item<'_>>) -> Result<(), Refusal> {
        self.covers.extend(part_of(self.scene.plan, source));
        let scene = self.scene;
        let line = scene.message.request_line();
        match source {
            Source::Method => self.out.extend_from_slice(line.map_or("", |l| l.method).as_bytes()),
            Source::Scheme => self.out.extend_from_slice(line.map_or("", |l| l.scheme.as_str()).as_bytes()),
            Source::HttpVersion => self.out.extend_from_slice(line.map_or("", |l| l.version).as_bytes()),
            Source::Status => self.out.extend_from_slice(scene.message.status().map(|s| s.to_string()).unwrap_or_default().as_bytes()),
            Source::Host => self.out.extend_from_slice(scene.host()),
            Source::Hostname => self.out.extend_from_slice(split_port(scene.host()).0),
            Source::Port => {
                let (default, written) = (line.map_or("", |l| l.scheme.default_port()).as_bytes(), split_port(scene.host()).1);
                if written.is_none() {
                    self.covers.insert(Part::Scheme);
                }
                self.out.extend_from_slice(written.unwrap_or(default));
            }
            Source::Authority => self.authority(),
            Source::Path => self.out.extend_from_slice(scene.message.path()),
            Source::Target => {
                self.covers.extend([Part::Path, Part::Query]);
                self.out.extend_from_slice(line.map_or(b"", |l| l.target));
            }
            Source::Body => {
                self.covers.insert(Part::Body);
                self.out.extend_from_slice(scene.body_bytes()?);
            }
            Source::BodyWithoutSignature => {
                self.covers.insert(Part::Body);
                let emptied = super::fields::without_signature(scene)?;
                self.out.extend_from_slice(&emptied);
            }
            Source::Header(name) => {
                if name == "host" {
                    self.covers.insert(Part::Host);
                }
                self.out.extend_from_slice(scene.message.values(name).next().unwrap_or_default());
            }
            Source::Query(name) => self.parameter(scene.message.query(), Decoding::Percent, name),
            Source::Form(name) if scene.message.is_form() => self.parameter(scene.body_bytes()?, Decoding::Form, name),
            Source::Form(_) => {}
            Source::Headers => self.headers()?,
            Source::QueryList => self.pairs(&scene.plan.query)?,
            Source::FormList => self.pairs(&scene.plan.form)?,
            Source::ParamsList => self.pairs(&scene.plan.params)?,
            Source::Secret => self.out.extend_from_slice(scene.credential.map_or(b"", |c| c.material().secret())),
            Source::SecretPart(index) => {
                let part = scene.credential.and_then(|c| c.part(&scene.plan.secrets[*index]));
                self.out.extend_from_slice(part.map_or(b"", Secret::expose));
            }
            Source::Let(index) => self.slot(*index),
            Source::Claim(Claimed::BodyDigest) => self.body_digest()?,
            Source::Claim(what) => self.out.extend_from_slice(scene.texts.get(*what).unwrap_or_default().as_bytes()),
            Source::ItemName => self.out.extend_from_slice(item.map_or(b"", |i| i.name)),
            Source::ItemValue => self.out.extend_from_slice(item.map_or(b"", |i| i.value)),
            // Only the server's diagnostics show it, and they are filled in elsewhere.
            Source::StringToSign => {}
        }
        Ok(())
    }

    fn slot(&mut self, index: usize) {
        if let Some(Some(used)) = self.lets.get(index).cloned() {
            self.covers.extend(used.covers);
            self.out.extend_from_within(used.range);
        }
    }

    /// The authority in lower case, without the scheme's default port (RFC 9110, section 4.2.3).
    fn authority(&mut self) {
        let (name, port) = split_port(self.scene.host());
        self.out.extend(name.iter().map(u8::to_ascii_lowercase));
        let default = self.scene.message.request_line().map_or("", |l| l.scheme.default_port());
        if let Some(port) = port.filter(|p| !p.is_empty() && *p != default.as_bytes()) {
            self.out.push(b':');
            self.out.extend_from_slice(port);
        }
    }

    fn parameter(&mut self, text: &[u8], decoding: Decoding, name: &str) {
        let found = lists::split(text).find(|(n, _)| encoding::decode(n, decoding) == name.as_bytes());
        if let Some((_, value)) = found {
            self.out.extend(encoding::decode(value, decoding));
        }
    }

    /// The digest as carried; where none is carried, the one computed; where none was sent, nothing.
    fn body_digest(&mut self) -> Result<(), Refusal> {
        let scene = self.scene;
        let Some(rule) = &scene.plan.digest else { return Ok(()) };
        if let Some(text) = scene.texts.get(Claimed::BodyDigest) {
            if !rule.unsigned.iter().any(|literal| literal == text) && digests_all(scene.plan, scene.body) {
                self.covers.insert(Part::Body);
            }
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let carried = scene.plan.carry.iter().any(|e| e.holds(Claimed::BodyDigest));
        let sent = rule.when == When::Always || !carried && applies(&rule.when, scene);
        if sent { self.run(&rule.is, None) } else { Ok(()) }
    }

    fn headers(&mut self) -> Result<(), Refusal> {
        let scene = self.scene;
        let list = &scene.plan.headers;
        let mut rows = Vec::new();
        for row in lists::header_rows(scene)? {
            match row {
                Row::Header { name, value } => {
                    let (line, whole) = self.whole_item(|r| r.item(&list.each, name.as_bytes(), &value))?;
                    let lower = name.to_ascii_lowercase();
                    if whole && lower == "host" {
                        self.covers.insert(Part::Host);
                    }
                    if whole {
                        self.covers.insert(Part::Header(lower));
                    }
                    rows.push((name, line));
                }
                Row::Pseudo { name, line } => {
                    let line = self.detached(|r| r.run(line, None))?;
                    if !line.is_empty() {
                        rows.push((name, line));
                    }
                }
            }
        }
        lists::sort_rows(list, &mut rows)?;
        self.joined(rows.iter().map(|(_, line)| &line[..]), |_| &list.join);
        Ok(())
    }

    fn pairs(&mut self, list: &'a crate::dialect::plan::PairList) -> Result<(), Refusal> {
        let taken = lists::take(self.scene, list)?;
        let mut items = taken.items;
        lists::sort_items(list, &mut items, |name, value| self.item(&list.each, name, value))?;
        if let Repeated::Join(with) = &list.repeated {
            items = lists::merge(items, with);
        }
        let all = |r: &mut Self| items.iter().map(|(name, value)| r.item(&list.each, name, value)).collect::<Result<Vec<_>, _>>();
        let (lines, whole) = self.whole_item(all)?;
        if whole {
            self.covers.extend(taken.covers);
        }
        // Only items that stay as sent have something of its own between two sources.
        let between = |i: usize| list.between.as_ref().filter(|_| taken.starts.contains(&i));
        self.joined(lines.iter().map(|line| &line[..]), |i| between(i).unwrap_or(&list.join));
        Ok(())
    }

    /// Lines, each but the first behind what stands before its index.
    fn joined<'l>(&mut self, lines: impl Iterator<Item = &'l [u8]>, before: impl Fn(usize) -> &'l [u8]) {
        for (i, line) in lines.enumerate() {
            if i > 0 {
                self.out.extend_from_slice(before(i));
            }
            self.out.extend_from_slice(line);
        }
    }

    fn item(&mut self, each: &Program, name: &[u8], value: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.detached(|r| r.run(each, Some(Item { name, value })))
    }

    /// What is rendered, and whether nothing of it was cut short.
    fn whole_item<T>(&mut self, render: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<(T, bool), Refusal> {
        self.cut = false;
        let rendered = render(self)?;
        Ok((rendered, !std::mem::take(&mut self.cut)))
    }

    /// Renders at the end of the buffer and takes the bytes off again.
    fn detached(&mut self, render: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Result<Vec<u8>, Refusal> {
        let start = self.out.len();
        render(self)?;
        Ok(self.out.split_off(start))
    }
}

/// Whether a signer sends a digest of this message.
pub(crate) fn applies(when: &When, scene: &Scene<'_>) -> bool {
    match when {
        When::Always => true,
        When::Asked => false,
        When::All(conditions) => conditions.iter().all(|c| match c {
            Condition::Body => !scene.body_is_empty(),
            Condition::NotForm => !scene.message.is_form(),
            Condition::Method(method) => scene.message.request_line().is_some_and(|l| l.method == method),
        }),
    }
}

/// Derives the key for one request as the dialect says, and tells what reached it.
pub(crate) fn derive_key(scene: &Scene<'_>) -> Result<(SigningKey, BTreeSet<Part>), Refusal> {
    let rule = &scene.plan.key;
    #[cfg(feature = "asymmetric")]
    if let Some(crate::credential::KeyMaterial::Pair(pair)) = scene.credential.map(crate::credential::Credential::material) {
        return Ok((SigningKey::Pair(pair.clone()), BTreeSet::new()));
    }
    let mut renderer = Renderer::new(scene);
    let start = renderer.text(&rule.from)?;
    let mut covers = start.covers.clone();
    let mut key = Secret::new(renderer.bytes(&start));
    let algorithm = scene.algorithm;
    for step in &rule.chain {
        let text = renderer.text(step)?;
        covers.extend(text.covers.iter().cloned());
        let tag = algorithm.and_then(|a| SigningKey::Shared(key).sign(a, renderer.bytes(&text)));
        key = Secret::new(tag.ok_or_else(|| Refusal::new(Reason::Internal, "the key does not fit the algorithm"))?.as_bytes());
    }
    if let Some(encode) = rule.encode {
        key = Secret::new(super::read::encode_signature(encode, key.expose()));
    }
    renderer.wipe();
    Ok((SigningKey::Shared(key), covers))
}

impl Renderer<'_, '_> {
    /// Wipes what was rendered: the first text of a key holds the secret.
    fn wipe(&mut self) {
        self.out.zeroize();
    }
}

impl Drop for Renderer<'_, '_> {
    fn drop(&mut self) {
        if !self.secrets.is_empty() {
            self.wipe();
        }
    }
}
