//! From a plan to its recipe: one value for another, each match complete, so that what the plan learns cannot be forgotten here.

use super::{
    Carried, Claim, Condition, DigestRule, Encoding, ExpiresForm, ExpiresRule, Filter, HeaderRule, KeyRule, Missing, Order, PairDecoding,
    PairRule, PairSource, Parameter, Piece, Recipe, Repeated, Shape, Slot, Text, Value, When,
};
use crate::algorithm::Algorithm;
use crate::dialect::plan::{self, AlgorithmRule, Claimed, Op, Plan, Program, SignatureEncoding, Source};
use crate::dialect::{Dialect, Part};
use crate::encoding::Decoding;

impl Dialect {
    /// How this dialect signs; `None` for a native one, whose rules are code.
    #[must_use]
    pub fn recipe(&self) -> Option<Recipe> {
        self.rules().is_declared().then(|| recipe(self.plan()))
    }
}

fn recipe(plan: &Plan) -> Recipe {
    let texts = |program: &Program| text(plan, program);
    Recipe {
        id: plan.id.clone(),
        title: plan.title.clone(),
        source: plan.source.clone(),
        of_response: plan.of_response,
        inputs: plan.inputs.clone(),
        secrets: plan.secrets.clone(),
        texts: plan.lets.iter().map(|l| (l.name.clone(), texts(&l.program))).collect(),
        string_to_sign: plan.text.as_ref().map(texts),
        headers: headers(plan),
        query: pairs(plan, &plan.query),
        form: pairs(plan, &plan.form),
        params: pairs(plan, &plan.params),
        body_digest: plan.digest.as_ref().map(|d| DigestRule { is: texts(&d.is), when: when(&d.when) }),
        key: KeyRule {
            from: texts(&plan.key.from),
            chain: plan.key.chain.iter().map(texts).collect(),
            encode: plan.key.encode.map(encoding),
        },
        algorithms: algorithms(&plan.algorithm),
        signature: encoding(plan.signature.encoding),
        carry: plan.carry.iter().map(|entry| carried(plan, entry)).collect(),
        time: plan.time.as_ref().and_then(|t| t.formats.first()).map(ToString::to_string),
        zone_seconds: plan.time.as_ref().map_or(0, |t| t.zone.seconds()),
        expires: plan.expires.as_ref().map(|e| ExpiresRule { form: expires(&e.form), default: e.default }),
        signs_names: plan.able.contains(&Part::SignedHeaders),
    }
}

fn algorithms(rule: &AlgorithmRule) -> Vec<(Option<String>, Algorithm)> {
    match rule {
        AlgorithmRule::None => Vec::new(),
        AlgorithmRule::OneOf(list) => list.iter().map(|a| (None, *a)).collect(),
        AlgorithmRule::Named(words) => words.iter().flat_map(|(word, list)| list.iter().map(|a| (Some(word.clone()), *a))).collect(),
    }
}

/// The flat operations as a tree.
fn text(plan: &Plan, program: &Program) -> Text {
    let mut open = vec![Vec::new()];
    for op in &program.ops {
        let piece = match op {
            Op::Begin => {
                open.push(Vec::new());
                continue;
            }
            Op::End => Piece::Optional(Text(open.pop().unwrap_or_default())),
            Op::Literal(bytes) => Piece::Literal(bytes.clone()),
            Op::Put { source, filters } => Piece::Value { value: value(plan, source), filters: filters.iter().map(filter).collect() },
        };
        if let Some(top) = open.last_mut() {
            top.push(piece);
        }
    }
    Text(open.pop().unwrap_or_default())
}

fn value(plan: &Plan, source: &Source) -> Value {
    match source {
        Source::Method => Value::Method,
        Source::Scheme => Value::Scheme,
        Source::HttpVersion => Value::HttpVersion,
        Source::Status => Value::Status,
        Source::Host => Value::Host,
        Source::Hostname => Value::Hostname,
        Source::Port => Value::Port,
        Source::Authority => Value::Authority,
        Source::Path => Value::Path,
        Source::Target => Value::Target,
        Source::Body => Value::Body,
        Source::BodyWithoutSignature => Value::BodyWithoutSignature,
        Source::Header(name) => Value::Header(name.clone()),
        Source::Query(name) => Value::Query(name.clone()),
        Source::Form(name) => Value::Form(name.clone()),
        Source::Headers => Value::Headers,
        Source::QueryList => Value::QueryList,
        Source::FormList => Value::FormList,
        Source::ParamsList => Value::ParamsList,
        Source::Secret => Value::Secret,
        Source::SecretPart(index) => Value::SecretPart(plan.secrets[*index].clone()),
        Source::Let(index) => Value::Named(plan.lets[*index].name.clone()),
        Source::Claim(what) => Value::Claim(claim(plan, *what)),
        Source::ItemName => Value::Name,
        // Stands in diagnostics only, which a signer does not have.
        Source::ItemValue | Source::StringToSign => Value::ItemValue,
    }
}

fn claim(plan: &Plan, what: Claimed) -> Claim {
    match what {
        Claimed::KeyId => Claim::KeyId,
        Claimed::Time => Claim::Time,
        Claimed::Nonce => Claim::Nonce,
        Claimed::Expires => Claim::Expires,
        Claimed::Algorithm => Claim::Algorithm,
        Claimed::SignedHeaders => Claim::SignedHeaders,
        Claimed::BodyDigest => Claim::BodyDigest,
        Claimed::Signature => Claim::Signature,
        Claimed::Secret => Claim::Secret,
        Claimed::Input(index) => Claim::Input(plan.inputs[index].name.clone()),
        Claimed::SecretPart(index) => Claim::SecretPart(plan.secrets[index].clone()),
    }
}

fn filter(filter: &plan::Filter) -> Filter {
    match filter {
        plan::Filter::Lower => Filter::Lower,
        plan::Filter::Upper => Filter::Upper,
        plan::Filter::Trim => Filter::Trim,
        plan::Filter::Squeeze => Filter::Squeeze,
        plan::Filter::Percent => Filter::Percent,
        plan::Filter::PercentPath => Filter::PercentPath,
        plan::Filter::Decode => Filter::Decode,
        plan::Filter::Normalize => Filter::Normalize,
        plan::Filter::ClosingSlash => Filter::ClosingSlash,
        plan::Filter::Digest(algorithm) => Filter::Digest(*algorithm),
        plan::Filter::Hmac => Filter::Hmac,
        plan::Filter::Hex => Filter::Hex,
        plan::Filter::Base64 => Filter::Base64,
        plan::Filter::Base64Url => Filter::Base64Url,
        plan::Filter::FromHex => Filter::FromHex,
        plan::Filter::FromBase64 => Filter::FromBase64,
        plan::Filter::Without(text) => Filter::Without(text.clone()),
        plan::Filter::Drop(text) => Filter::Drop(text.clone()),
        plan::Filter::UnlessHeader(name) => Filter::UnlessHeader(name.clone()),
        plan::Filter::MediaType => Filter::MediaType,
        plan::Filter::First(count) => Filter::First(*count),
        plan::Filter::Time(format) => Filter::Time(format.to_string()),
    }
}

const fn encoding(encoding: SignatureEncoding) -> Encoding {
    match encoding {
        SignatureEncoding::Hex => Encoding::Hex,
        SignatureEncoding::Base64 => Encoding::Base64,
        SignatureEncoding::Base64Url => Encoding::Base64Url,
    }
}

fn filters(list: &[plan::Filter]) -> Vec<Filter> {
    list.iter().map(filter).collect()
}

const fn order(order: plan::Order) -> Order {
    match order {
        plan::Order::Name => Order::Name,
        plan::Order::NameValue => Order::NameValue,
        plan::Order::NameIgnoreCase => Order::NameIgnoreCase,
        plan::Order::Line => Order::Line,
        plan::Order::AsIs => Order::AsIs,
    }
}

/// What a verifier refuses as ambiguous, a signer renders as it is.
fn repeated(rule: &plan::Repeated) -> Repeated {
    match rule {
        plan::Repeated::All | plan::Repeated::Refuse => Repeated::All,
        plan::Repeated::First => Repeated::First,
        plan::Repeated::Join(with) => Repeated::Join(with.clone()),
    }
}

fn headers(plan: &Plan) -> HeaderRule {
    let list = &plan.headers;
    let pattern = |p: &plan::HeaderPattern| if p.prefix { format!("{}*", p.name) } else { p.name.clone() };
    HeaderRule {
        each: text(plan, &list.each),
        name_filters: filters(&list.name_filters),
        join: list.join.clone(),
        order: order(list.order),
        repeated: repeated(&list.repeated),
        drop_empty: list.drop_empty,
        except: list.except.clone(),
        sign: list.sign.iter().map(pattern).collect(),
        always: list.always.clone(),
        pseudo: list.pseudo.iter().map(|(name, line)| (name.clone(), text(plan, line))).collect(),
        missing: match list.missing {
            plan::Missing::Refuse => Missing::Refuse,
            plan::Missing::Empty => Missing::Empty,
            plan::Missing::Skip => Missing::Skip,
        },
        names: list.names.clone(),
    }
}

fn pairs(plan: &Plan, list: &plan::PairList) -> PairRule {
    PairRule {
        each: text(plan, &list.each),
        name_filters: filters(&list.name_filters),
        value_filters: filters(&list.value_filters),
        join: list.join.clone(),
        between: list.between.clone(),
        order: order(list.order),
        repeated: repeated(&list.repeated),
        drop_empty: list.drop_empty,
        except: list.except.clone(),
        header_except: list.header_except.clone(),
        only: list.only.clone(),
        from: list.from.iter().map(|s| source(*s)).collect(),
        decode: match list.decoding {
            Decoding::Percent => PairDecoding::Percent,
            Decoding::Form => PairDecoding::Form,
            Decoding::None => PairDecoding::None,
        },
    }
}

const fn source(source: plan::PairSource) -> PairSource {
    match source {
        plan::PairSource::Query => PairSource::Query,
        plan::PairSource::Form => PairSource::Form,
        plan::PairSource::Authorization => PairSource::Authorization,
    }
}

fn when(when: &plan::When) -> When {
    match when {
        plan::When::Always => When::Always,
        plan::When::Asked => When::Asked,
        plan::When::All(conditions) => When::All(
            conditions
                .iter()
                .map(|c| match c {
                    plan::Condition::Body => Condition::Body,
                    plan::Condition::NotForm => Condition::NotForm,
                    plan::Condition::Method(method) => Condition::Method(method.clone()),
                })
                .collect(),
        ),
    }
}

fn expires(form: &plan::ExpiresForm) -> ExpiresForm {
    match form {
        plan::ExpiresForm::Seconds => ExpiresForm::Seconds,
        plan::ExpiresForm::Millis => ExpiresForm::Millis,
        plan::ExpiresForm::At(format) => ExpiresForm::At(format.to_string()),
    }
}

fn carried(plan: &Plan, entry: &plan::Entry) -> Carried {
    let shape = match &entry.shape {
        plan::Shape::Constant(bytes) => Shape::Slots(vec![Slot::Literal(bytes.clone())]),
        plan::Shape::Pattern(pattern) => Shape::Slots(slots(plan, pattern)),
        plan::Shape::Parameters(parameters) => {
            let list = parameters.list.iter().map(|p| Parameter {
                before: if p.before.is_empty() { vec![parameters.separator, b' '] } else { p.before.clone() },
                name: p.name.clone(),
                quoted: p.quoted,
                optional: p.optional,
                value: slots(plan, &p.value),
            });
            Shape::Parameters { scheme: parameters.scheme.clone(), list: list.collect() }
        }
    };
    Carried { place: entry.place, name: entry.name.clone(), optional: entry.optional, shape }
}

fn slots(plan: &Plan, pattern: &plan::Pattern) -> Vec<Slot> {
    let slot = |slot: &plan::Slot| match slot {
        plan::Slot::Literal(bytes) => Slot::Literal(bytes.clone()),
        plan::Slot::Claim { what, percent, may_be_empty } => {
            Slot::Claim { claim: claim(plan, *what), percent: *percent, may_be_empty: *may_be_empty }
        }
        plan::Slot::Computed(program) => Slot::Computed(text(plan, program)),
    };
    pattern.0.iter().map(slot).collect()
}
