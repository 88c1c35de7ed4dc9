//! A dialect with a key, and the positions that it has: found by signing and verifying.

use countersign_protocol::{
    Credential, Dialect, Inputs, Intact, Message, Part, Place, Policy, Prepared, Reason, Refusal, Request, SignError, SignOptions,
    Timestamp,
};
use countersign_vectors::meaning::Meaning;
use countersign_vectors::reading::Reading;
use countersign_vectors::{Expect, cases};

use crate::space::{Point, Position, Space};

/// The media type of forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A header that a caller may list where the dialect carries the list.
const LISTED: &str = "X-A";

/// Headers that say something else than a text: how a body is read, where it goes, when it was sent.
const NOT_FREE: [&str; 5] = ["host", "content-type", "content-length", "date", "digest"];

/// A dialect under search.
pub(crate) struct Subject {
    pub(crate) dialect: Dialect,
    credential: Credential,
    options: SignOptions,
    /// What the verifier is told, because messages do not say it.
    pinned: Inputs,
    now: Timestamp,
    policy: Policy,
    /// What means the same to this dialect.
    pub(crate) reading: Reading,
    /// The free header, and what its value begins with: what is refused while it is empty begins with something.
    header: Option<(String, &'static str)>,
    /// Inputs that messages say, by index.
    said: Vec<u8>,
}

/// A request that is ready to be signed.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) options: SignOptions,
}

impl Asked {
    /// What it means.
    pub(crate) fn meaning(&self, subject: &Subject) -> Meaning {
        let free = subject.header().map(|name| Part::Header(name.to_ascii_lowercase())).into_iter().collect();
        let nonce = self.options.nonce.as_deref().unwrap_or_default();
        Meaning::of(&subject.dialect, &subject.reading, &free, &self.request, nonce, &self.options.inputs)
    }
}

impl Subject {
    /// The dialect with the key, the inputs and the clock of one of its vectors, and every position that it has.
    pub(crate) fn new(dialect: Dialect) -> Result<Self, String> {
        let mut subject = Self::unsearched(dialect)?;
        let tried = subject.candidates().into_iter().flat_map(|name| [(name.clone(), ""), (name, "v")]);
        let signed: Vec<_> = tried.filter_map(|(name, base)| subject.trial(&name, base).map(|bodies| (name, base, bodies))).collect();
        // A header with which no body is accepted would leave the bodies unsearched.
        let best = signed.iter().find(|(_, _, bodies)| *bodies).or(signed.first());
        subject.header = best.map(|(name, base, _)| (name.clone(), *base));
        let count = u8::try_from(subject.dialect.inputs().len()).map_err(|e| e.to_string())?;
        subject.said = (0..count).filter(|index| subject.says_input(*index)).collect();
        Ok(subject)
    }

    /// The same without looking for positions.
    pub(crate) fn unsearched(dialect: Dialect) -> Result<Self, String> {
        let all = cases(dialect.id()).ok_or("no vectors")?.map_err(|e| e.to_string())?;
        let mut fit = all.into_iter().filter(|case| case.expect == Expect::Accepted);
        let (case, signing) = fit
            .find_map(|case| case.signing.clone().filter(|signing| signing.skip.is_none()).map(|signing| (case, signing)))
            .ok_or("no accepted vector that a signer can make")?;
        let mut options = SignOptions::new(signing.options.at);
        options.inputs = signing.options.inputs;
        Ok(Self {
            credential: signing.credential,
            options,
            pinned: case.inputs,
            now: signing.options.at,
            policy: Policy::default(),
            reading: Reading::of(&dialect)?,
            dialect,
            header: None,
            said: Vec::new(),
        })
    }

    /// The headers that the file names and does not carry, and one that it does not know.
    fn candidates(&self) -> Vec<String> {
        let free = |name: &&String| {
            let carried = self.dialect.carriers().any(|carrier| carrier.name.eq_ignore_ascii_case(name));
            !carried && !NOT_FREE.iter().any(|own| own.eq_ignore_ascii_case(name))
        };
        let named = self.reading.headers.iter().filter(free).cloned();
        named.chain([LISTED.to_owned()]).collect()
    }

    /// The same under another policy.
    pub(crate) fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The name of the free header.
    pub(crate) fn header(&self) -> Option<&str> {
        self.header.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether forms are accepted beside this header, if it can be signed and the plainest request with it is accepted.
    fn trial(&self, header: &str, base: &'static str) -> Option<bool> {
        let trial = Self {
            dialect: self.dialect.clone(),
            credential: self.credential.clone(),
            options: self.options.clone(),
            pinned: self.pinned.clone(),
            now: self.now,
            policy: self.policy.clone(),
            reading: Reading::default(),
            header: Some((header.to_owned(), base)),
            said: Vec::new(),
        };
        trial.accepts(&Point::default())?;
        let (mut signed, mut bodies) = (false, false);
        Space::of_characters(vec![Position::Header], Some(Position::Header)).visit(1, &mut |point| {
            let part = Part::Header(header.to_ascii_lowercase());
            signed |= trial.accepts(point).is_some_and(|intact| intact.verified().covers().contains(&part));
        });
        Space::of_characters(vec![Position::FormName], Some(Position::FormName))
            .visit(1, &mut |point| bodies |= trial.accepts(point).is_some());
        signed.then_some(bodies)
    }

    /// Whether a verifier takes an input out of the message when it is not told: one that nothing signs it does not.
    fn says_input(&self, index: u8) -> bool {
        let name = &self.dialect.inputs()[usize::from(index)].name;
        let told: Inputs = self.pinned.iter().filter(|(n, _)| n != name).fold(Inputs::new(), |all, (n, v)| all.with(n, v));
        let mut said = false;
        Space::of_characters(vec![Position::Input(index)], Some(Position::Input(index))).visit(1, &mut |point| {
            let asked = self.ask(point);
            let Ok(request) = self.sign(&asked) else { return };
            let claim = self.dialect.claim(&request, &told);
            let verdict = self.dialect.verify(&request, &told, &[&self.credential], self.now, &self.policy);
            let taken = !verdict.is_err_and(|refusal| refusal.reason() == Reason::RequiredPartUnsigned);
            said |= taken && claim.is_ok_and(|claim| claim.input(name) == asked.options.inputs.get(name));
        });
        said
    }

    /// The sets of positions. What never meets in one line of any string to sign is not filled together.
    pub(crate) fn spaces(&self) -> Vec<Space> {
        let header = self.header.as_ref().map(|_| Position::Header);
        let nonce = self.dialect.carries_nonce().then_some(Position::Nonce);
        let further: Vec<_> = header.into_iter().chain(nonce).collect();
        let inputs: Vec<_> = self.said.iter().map(|index| Position::Input(*index)).collect();
        let with = |body: &[_]| [&[Position::Path, Position::QueryName, Position::QueryValue][..], &further, body].concat();
        let mut spaces = vec![
            Space::of_characters(with(&[Position::FormName, Position::FormValue]), None),
            Space::of_characters(vec![Position::Method, Position::Host, Position::Path, Position::QueryName], None),
            Space::of_escapes(vec![Position::Path, Position::QueryName, Position::FormName]),
        ];
        if !self.refuses_raw_bodies() {
            spaces.push(Space::of_characters(with(&[Position::Raw]), Some(Position::Raw)));
        }
        if !inputs.is_empty() {
            spaces.push(Space::of_characters([&inputs[..], &further, &[Position::QueryName]].concat(), None));
        }
        spaces
    }

    /// Whether every body that is no form is refused as unsigned: there is nothing to search among them.
    fn refuses_raw_bodies(&self) -> bool {
        let mut refused = true;
        Space::of_characters(vec![Position::Raw], Some(Position::Raw)).visit(1, &mut |point| {
            let verdict = self.request(point).map(|request| self.verify(&request));
            refused &= matches!(verdict, Ok(Err(refusal)) if refusal.reason() == Reason::RequiredPartUnsigned);
        });
        refused
    }

    /// The request of a point, before it is signed.
    pub(crate) fn ask(&self, point: &Point) -> Asked {
        let mut options = self.options.clone();
        if self.dialect.carries_nonce() {
            options.nonce = Some(point.after("n", Position::Nonce));
        }
        // Where the list is not carried, this says nothing.
        options.also = self.header.iter().map(|(name, _)| name.clone()).collect();
        options.inputs = self.inputs(point);
        let request = self.plain(point);
        Asked { request, options }
    }

    fn plain(&self, point: &Point) -> Request {
        let query = pair(point, Position::QueryName, Position::QueryValue);
        let target = point.after("/", Position::Path) + if query.is_empty() { "" } else { "?" } + &query;
        let (media, body) = self.body(point);
        let mut request = Request::new(point.after("POST", Position::Method), target)
            .with_header("Host", point.after("h", Position::Host))
            .with_header("Content-Type", media)
            .with_body(body);
        if let Some((name, base)) = &self.header {
            request = request.with_header(name.as_str(), point.after(base, Position::Header));
        }
        request
    }

    fn body(&self, point: &Point) -> (&'static str, String) {
        let raw = point.after("", Position::Raw);
        let claims_ride_in_it = self.dialect.carriers().any(|c| matches!(c.place, Place::Json | Place::Body));
        match (raw.is_empty(), claims_ride_in_it) {
            (true, _) => (FORM, pair(point, Position::FormName, Position::FormValue)),
            (false, true) => ("application/json", format!("{{\"a\":\"{raw}\"}}")),
            (false, false) => ("application/octet-stream", raw),
        }
    }

    fn inputs(&self, point: &Point) -> Inputs {
        self.dialect.inputs().iter().enumerate().fold(Inputs::new(), |all, (index, input)| {
            let position = u8::try_from(index).map_or(Position::Method, Position::Input);
            let base = self.options.inputs.get(&input.name);
            let value = point.after(base.unwrap_or_default(), position);
            if base.is_none() && value.is_empty() { all } else { all.with(&input.name, value) }
        })
    }

    pub(crate) fn prepare(&self, asked: &Asked) -> Result<Prepared, SignError> {
        self.dialect.prepare(asked.request.clone(), &self.credential, &asked.options)
    }

    fn sign(&self, asked: &Asked) -> Result<Request, SignError> {
        match self.dialect.sign(asked.request.clone(), &self.credential, &asked.options)?.into_message() {
            Message::Request(request) => Ok(request),
            Message::Response(_) => Err(SignError::WrongMessage),
        }
    }

    /// The signed request of a point.
    pub(crate) fn request(&self, point: &Point) -> Result<Request, SignError> {
        self.sign(&self.ask(point))
    }

    pub(crate) fn verify(&self, request: &Request) -> Result<Intact, Refusal> {
        let said = |name: &str| self.said.iter().any(|index| self.dialect.inputs()[usize::from(*index)].name == name);
        let told = self.pinned.iter().filter(|(name, _)| !said(name)).fold(Inputs::new(), |all, (n, v)| all.with(n, v));
        self.dialect.verify(request, &told, &[&self.credential], self.now, &self.policy)
    }

    /// The outcome of signing and verifying a point.
    pub(crate) fn accepts(&self, point: &Point) -> Option<Intact> {
        self.verify(&self.request(point).ok()?).ok()
    }
}

/// A text, and behind a `=` another one where there is one: so every short text is there, and every short pair of name and value.
fn pair(point: &Point, name: Position, value: Position) -> String {
    let (name, value) = (point.after("", name), point.after("", value));
    if value.is_empty() { name } else { format!("{name}={value}") }
}
