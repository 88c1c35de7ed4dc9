//! Which parts of a message can reach the string to sign or the key: a walk over the programs, no message needed.

use std::collections::BTreeSet;

use super::super::part::Part;
use super::super::plan::*;
use super::loss;

/// What can reach the string to sign or the key.
pub(super) struct Able {
    /// The parts that a request of this dialect can sign at all.
    pub(super) parts: BTreeSet<Part>,
    /// Parts of which only something is signed, never the whole.
    pub(super) partly: BTreeSet<Part>,
    /// Whether its list of headers is among what is signed.
    pub(super) list: bool,
}

/// What a request of this dialect can sign.
pub(super) fn able(plan: &Plan) -> Able {
    let Walk { found, mut partly, reaches_list, .. } = walked(plan, loss::never_signs);
    partly.retain(|part| !found.contains(part));
    Able { parts: found, partly, list: reaches_list }
}

/// The parts that reach the string to sign or the key with nothing cut off.
pub(super) fn whole(plan: &Plan) -> BTreeSet<Part> {
    walked(plan, loss::may_cut).found
}

fn walked(plan: &Plan, cuts: Cuts) -> Walk<'_> {
    let mut walk = Walk { plan, cuts, found: BTreeSet::new(), partly: BTreeSet::new(), reaches_list: false };
    for program in plan.text.iter().chain([&plan.key.from]).chain(&plan.key.chain) {
        walk.program(program);
    }
    walk
}

/// Whether a use signs something of its value only.
type Cuts = fn(&Plan, &Source, &[Filter]) -> bool;

struct Walk<'p> {
    plan: &'p Plan,
    cuts: Cuts,
    found: BTreeSet<Part>,
    partly: BTreeSet<Part>,
    reaches_list: bool,
}

impl Walk<'_> {
    fn program(&mut self, program: &Program) {
        for op in &program.ops {
            if let Op::Put { source, filters } = op {
                let coarse = matches!(filters.first(), Some(Filter::Time(format)) if !format.is_precise());
                if (self.cuts)(self.plan, source, filters) {
                    let whole = std::mem::take(&mut self.found);
                    self.source(source);
                    self.partly.append(&mut self.found);
                    self.found = whole;
                } else if !coarse {
                    self.source(source);
                }
            }
        }
    }

    fn source(&mut self, source: &Source) {
        let plan = self.plan;
        match source {
            Source::Let(index) => self.program(&plan.lets[*index].program),
            Source::Headers => self.headers(),
            Source::QueryList => self.pairs(&plan.query),
            Source::FormList => self.pairs(&plan.form),
            Source::ParamsList => self.pairs(&plan.params),
            Source::Target => {
                self.found.extend([Part::Path, Part::Query]);
                self.riders(|e| e.place == Place::Query);
            }
            Source::Body | Source::BodyWithoutSignature => self.body(),
            Source::Header(name) => self.header(name),
            Source::Claim(Claimed::BodyDigest) => {
                self.found.insert(Part::BodyDigest);
                self.digest();
            }
            other => self.found.extend(part_of(plan, other)),
        }
    }

    fn body(&mut self) {
        self.found.insert(Part::Body);
        self.riders(|e| e.place.in_body());
    }

    fn header(&mut self, name: &str) {
        self.found.insert(Part::Header(name.to_owned()));
        if name == "host" {
            self.found.insert(Part::Host);
        }
        self.riders(|e| e.place == Place::Header && e.name.eq_ignore_ascii_case(name));
    }

    fn headers(&mut self) {
        let list = &self.plan.headers;
        self.reaches_list = true;
        for (_, line) in &list.pseudo {
            self.program(line);
        }
        let listed = self.plan.carry.iter().any(|e| e.holds(Claimed::SignedHeaders));
        if listed {
            self.found.insert(Part::Host);
            self.riders(|e| e.place == Place::Header && !e.holds(Claimed::SignedHeaders));
        }
        let always = list.always.iter().map(|name| HeaderPattern::parse(name));
        for pattern in always.chain(list.sign.iter().cloned()) {
            if pattern.prefix {
                // What carries the signature or the list of names is never an item.
                self.riders(|e| {
                    e.place == Place::Header && pattern.matches(&e.name) && !e.holds(Claimed::SignedHeaders) && !e.holds(Claimed::Signature)
                });
            } else {
                self.header(&pattern.name.to_ascii_lowercase());
            }
        }
    }

    fn pairs(&mut self, list: &PairList) {
        for source in &list.from {
            match source {
                PairSource::Query => {
                    self.pair_source(list, Part::Query);
                    self.riders(|e| matches!(e.place, Place::Query | Place::Params));
                }
                PairSource::Form => {
                    self.pair_source(list, Part::Body);
                    self.riders(|e| matches!(e.place, Place::Form | Place::Params | Place::Body));
                }
                PairSource::Authorization => {
                    self.found.insert(Part::Authorization);
                    self.riders(|e| matches!(e.shape, Shape::Parameters(_)));
                }
            }
        }
    }

    /// The body, by its digest.
    fn digest(&mut self) {
        let weak = self.plan.digest.as_ref().is_some_and(|rule| loss::cut_at(self.plan, &rule.is) == Some(0));
        let found = if weak { &mut self.partly } else { &mut self.found };
        found.insert(Part::Body);
    }

    fn pair_source(&mut self, list: &PairList, part: Part) {
        let found = if list.takes_all() { &mut self.found } else { &mut self.partly };
        found.insert(part);
    }

    /// What rides in the entries that are signed with their carrier.
    fn riders(&mut self, which: impl Fn(&Entry) -> bool) {
        for entry in self.plan.carry.iter().filter(|e| which(e)) {
            for what in entry.holds.iter().filter(|w| **w != Claimed::Signature) {
                if *what == Claimed::BodyDigest {
                    self.digest();
                }
                self.found.extend(part_of(self.plan, &Source::Claim(*what)));
            }
        }
    }
}

/// The part that a single source is, if it is one.
pub(crate) fn part_of(plan: &Plan, source: &Source) -> Option<Part> {
    Some(match source {
        Source::Method => Part::Method,
        Source::Scheme => Part::Scheme,
        Source::HttpVersion => Part::HttpVersion,
        Source::Status => Part::Status,
        Source::Host | Source::Hostname | Source::Authority => Part::Host,
        Source::Path => Part::Path,
        Source::Header(name) => Part::Header(name.clone()),
        Source::Query(name) => Part::QueryParameter(name.clone()),
        Source::Form(name) => Part::FormField(name.clone()),
        Source::Claim(what) => match what {
            Claimed::KeyId => Part::KeyId,
            Claimed::Time => Part::Time,
            Claimed::Nonce => Part::Nonce,
            Claimed::Expires => Part::Expires,
            Claimed::Algorithm => Part::Algorithm,
            Claimed::SignedHeaders => Part::SignedHeaders,
            Claimed::BodyDigest => Part::BodyDigest,
            Claimed::Input(index) => Part::Input(plan.inputs.get(*index)?.name.clone()),
            Claimed::Signature | Claimed::Secret | Claimed::SecretPart(_) => return None,
        },
        _ => return None,
    })
}
