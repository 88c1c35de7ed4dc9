//! The requests that are searched: short texts over a small alphabet, spread over the free positions of a request.

/// The characters, then escapes that decode to a character that separates: each counts as one character.
pub(crate) const SYMBOLS: [&str; 16] = ["a", "&", "=", ",", ".", ":", "/", "%", "+", "\n", "%26", "%3D", "%25", "%2F", "%0A", "%2B"];

/// The single characters.
const CHARACTERS: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// What matters among decoded parameters and segments, with the escapes of it.
const ESCAPES: [u8; 12] = [0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 14, 15];

/// A position of a request that takes any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Position {
    /// Behind the method.
    Method,
    /// Behind the host.
    Host,
    /// Behind the first slash of the path.
    Path,
    /// The query, up to a value.
    QueryName,
    /// Behind a `=` after that.
    QueryValue,
    /// The value of one signed header.
    Header,
    /// A form as the body, up to a value.
    FormName,
    /// Behind a `=` after that.
    FormValue,
    /// A body that is no form.
    Raw,
    /// Behind the nonce.
    Nonce,
    /// Behind the dialect's input of this index.
    Input(u8),
}

/// A set of positions that are filled together.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) positions: Vec<Position>,
    symbols: &'static [u8],
    /// Points without text in this position are those of another space.
    filled: Option<Position>,
}

impl Space {
    pub(crate) fn of_characters(positions: Vec<Position>, filled: Option<Position>) -> Self {
        Self { positions, symbols: &CHARACTERS, filled }
    }

    pub(crate) fn of_escapes(positions: Vec<Position>) -> Self {
        Self { positions, symbols: &ESCAPES, filled: None }
    }

    /// Every point of at most this many characters.
    pub(crate) fn visit(&self, most: usize, visit: &mut impl FnMut(&Point)) {
        self.extend(most, 0, &mut Point::default(), visit);
    }

    /// Positions never go back, so that each point comes once.
    fn extend(&self, most: usize, from: usize, point: &mut Point, visit: &mut impl FnMut(&Point)) {
        if self.filled.is_none_or(|position| point.text(position).next().is_some()) {
            visit(point);
        }
        if point.length == most {
            return;
        }
        for (index, position) in self.positions.iter().enumerate().skip(from) {
            for symbol in self.symbols {
                point.marks[point.length] = (*position, *symbol);
                point.length += 1;
                self.extend(most, index, point, visit);
                point.length -= 1;
            }
        }
    }
}

/// Texts for positions: at most a few characters together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    marks: [(Position, u8); Self::MOST],
    length: usize,
}

impl Default for Point {
    fn default() -> Self {
        Self { marks: [(Position::Method, 0); Self::MOST], length: 0 }
    }
}

impl Point {
    /// The most characters of a point.
    pub(crate) const MOST: usize = 5;

    /// The pieces of the text in a position.
    fn text(&self, position: Position) -> impl Iterator<Item = &'static str> {
        self.marks[..self.length].iter().filter(move |(p, _)| *p == position).map(|(_, symbol)| SYMBOLS[usize::from(*symbol)])
    }

    /// The text in a position, behind `before`.
    pub(crate) fn after(&self, before: &str, position: Position) -> String {
        let mut text = before.to_owned();
        text.extend(self.text(position));
        text
    }

    /// The positions that hold text.
    pub(crate) fn filled(&self) -> impl Iterator<Item = Position> {
        self.marks[..self.length].iter().map(|(position, _)| *position)
    }
}
