//! Lists of parameters rendered otherwise: their order, encoding, sources and separators.

use super::super::place::{self, Home, List};
use super::super::process::Process;
use super::message::{lower_triplets, replace};
use super::{Mutation, places, replace_op, rewrite_source};
use crate::dialect::plan::{Filter, Op, Order, PairList, PairSource, Repeated, Source};
use crate::encoding::Decoding;
use crate::engine::lists;

/// The most parameters of which each is tried to be left out.
const MOST_LEFT_OUT: usize = 16;

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let reachable = place::reachable(base.plan());
    List::ALL.into_iter().filter(|list| reachable.contains(&Home::Item(*list))).flat_map(|list| of_list(base, list)).collect()
}

fn of_list(base: &Process, list: List) -> Vec<Mutation> {
    let mut all = order(base, list);
    all.extend(encoding(base, list));
    all.extend(items(base, list));
    all.extend(whole(base, list));
    all
}

/// A change of a list of the plan.
fn change(
    id: &'static str,
    cost: u8,
    list: List,
    key: &str,
    what: &str,
    change: impl Fn(&mut PairList) -> Option<()> + 'static,
) -> Mutation {
    Mutation::new(id, cost, format!("{}.{key}", list.key()), what, move |process| change(list.of_mut(process.plan_mut())))
}

fn order(base: &Process, list: List) -> Vec<Mutation> {
    let put = |id, cost, what: &str, order: Order, by_decoded: bool| {
        change(id, cost, list, "order", what, move |list| {
            list.order = order;
            if by_decoded {
                list.name_filters.clear();
                list.value_filters.clear();
            }
            Some(())
        })
        .on_axis("pairs-order")
    };
    let encoded =
        change("query-sorted-after-encoding", 1, list, "order", "the signer sorted the parameters by their encoded names", |list| {
            (list.name_filters, list.value_filters) = (vec![Filter::Percent], vec![Filter::Percent]);
            list.order = Order::NameValue;
            Some(())
        });
    let after_query = change(
        "query-unsorted",
        1,
        list,
        "order",
        "the signer did not sort the parameters: those of the header came after the query",
        |list| {
            let header = list.from.iter().position(|source| *source == PairSource::Authorization)?;
            let query = list.from.iter().position(|source| *source == PairSource::Query).filter(|query| *query > header)?;
            list.from[header..=query].rotate_left(1);
            list.order = Order::AsIs;
            Some(())
        },
    );
    let mut all = vec![
        after_query.on_axis("pairs-order"),
        put("query-unsorted", 1, "the signer did not sort the parameters", Order::AsIs, false),
        put("query-sorted-before-encoding", 1, "the signer sorted the parameters before encoding them", Order::NameValue, true),
        put("query-sorted-by-name", 2, "the signer sorted the parameters by name alone", Order::Name, false),
        put("query-sorted-by-name-and-value", 2, "the signer sorted the parameters by name and value", Order::NameValue, false),
        put("query-sorted-as-lines", 1, "the signer sorted the parameters as whole texts, name=value", Order::Line, false),
        put("query-sorted-ignoring-case", 2, "the signer sorted the parameters without regard to case", Order::NameIgnoreCase, false),
        encoded.on_axis("pairs-order"),
    ];
    if list.of(base.plan()).order == Order::AsIs {
        all.retain(|mutation| mutation.id != "query-unsorted");
    }
    all
}

/// Sets the filters of name and value in every item.
fn set_filters(list: &mut PairList, filters: &[Filter]) -> Option<()> {
    let mut changed = false;
    for op in &mut list.each.ops {
        if let Op::Put { source: Source::ItemName | Source::ItemValue, filters: now } = op {
            changed |= now != filters;
            *now = filters.to_vec();
        }
    }
    changed.then_some(())
}

fn encoding(base: &Process, list: List) -> Vec<Mutation> {
    let decode = |id, cost, what: &str, decoding: Decoding| {
        change(id, cost, list, "decode", what, move |list| (list.decoding != decoding).then(|| list.decoding = decoding))
    };
    let mut all = vec![
        decode("plus-as-blank", 1, "the signer took a + in a parameter for a blank", Decoding::Form),
        decode("plus-kept", 1, "the signer took a + in a parameter for a plus", Decoding::Percent),
        decode("query-encoded-again", 1, "the signer took the parameters as sent, without decoding them first", Decoding::None),
        change("query-not-encoded", 1, list, "each", "the signer signed names and values without encoding them", |list| {
            set_filters(list, &[])
        }),
        change("query-encoded", 1, list, "each", "the signer percent-encoded names and values", |list| {
            set_filters(list, &[Filter::Percent])
        }),
        change("query-slash-kept", 2, list, "each", "the signer did not encode the slashes in parameters", |list| {
            set_filters(list, &[Filter::PercentPath])
        }),
        change("query-as-sent", 1, list, "each", "the signer signed the parameters exactly as sent", |list| {
            list.decoding = Decoding::None;
            list.order = Order::AsIs;
            set_filters(list, &[]);
            Some(())
        }),
        change("query-as-sent-sorted", 1, list, "each", "the signer sorted the parameters as sent, without encoding them anew", |list| {
            list.decoding = Decoding::None;
            (list.name_filters, list.value_filters) = (Vec::new(), Vec::new());
            set_filters(list, &[])
        }),
    ];
    for (id, cost, what, rewrite) in REWRITES {
        for (home, index, op) in places(base, |s| *s == list.source()) {
            let rule = format!("{}.each", list.key());
            all.push(Mutation::new(id, cost, rule, what, move |process| rewrite_source(process, home, index, &op, rewrite)));
        }
    }
    for (home, index, op) in places(base, |s| *s == list.source()) {
        if matches!(&op, Op::Put { filters, .. } if filters.contains(&Filter::Percent)) {
            let what = "the signer wrote percent triplets in lower case, of the parameters and of the text in which they stand";
            all.push(Mutation::new("escape-lower-case", 2, format!("{}.each", list.key()), what, move |process| {
                process.after.push(lower_triplets);
                rewrite_source(process, home, index, &op, lower_triplets)
            }));
        }
    }
    all
}

type Rewrite = (&'static str, u8, &'static str, fn(&[u8]) -> Vec<u8>);

const REWRITES: [Rewrite; 7] = [
    ("blank-as-plus", 1, "the signer wrote a blank in a parameter as +", |text| replace(text, b"%20", b"+")),
    ("blank-as-plus", 2, "the signer wrote a blank in a parameter as +", |text| replace(text, b" ", b"+")),
    ("escape-lower-case", 2, "the signer wrote percent triplets in lower case", lower_triplets),
    ("query-encoded-loosely", 1, "the signer's encoder leaves !, ', (, ) and * as they are", |text| {
        let kept: [(&[u8], &[u8]); 5] = [(b"%21", b"!"), (b"%27", b"'"), (b"%28", b"("), (b"%29", b")"), (b"%2A", b"*")];
        kept.iter().fold(text.to_vec(), |text, (from, to)| replace(&text, from, to))
    }),
    ("query-tilde-encoded", 2, "the signer's encoder escapes ~", |text| replace(text, b"~", b"%7E")),
    ("form-encoded", 2, "the signer's encoder is that of HTML forms: + for a blank, * kept, ~ escaped", |text| {
        let forms: [(&[u8], &[u8]); 3] = [(b"%20", b"+"), (b"%2A", b"*"), (b"~", b"%7E")];
        forms.iter().fold(text.to_vec(), |text, (from, to)| replace(&text, from, to))
    }),
    ("form-encoded", 2, "the signer's encoder is one of HTML forms: + for a blank, ~ escaped", |text| {
        replace(&replace(text, b"%20", b"+"), b"~", b"%7E")
    }),
];

fn items(base: &Process, list: List) -> Vec<Mutation> {
    let mut all = vec![
        change("query-equals-left-out", 1, list, "each", "the signer left out the = of an empty value", |list| {
            let equals = list.each.ops.iter().position(|op| matches!(op, Op::Literal(text) if text == b"="))?;
            let bracketed = equals > 0 && matches!(list.each.ops[equals - 1], Op::Begin);
            (!bracketed).then(|| {
                list.each.ops.insert(equals, Op::Begin);
                list.each.ops.push(Op::End);
            })
        })
        .reshaping(),
        change("query-equals-kept", 1, list, "each", "the signer wrote the = of an empty value", |list| {
            let before = list.each.ops.len();
            list.each.ops.retain(|op| !matches!(op, Op::Begin | Op::End));
            (list.each.ops.len() != before).then_some(())
        })
        .reshaping(),
        change("query-empty-left-out", 1, list, "empty", "the signer left out parameters without a value", |list| {
            (!list.drop_empty).then(|| list.drop_empty = true)
        }),
        change("query-empty-kept", 1, list, "empty", "the signer kept parameters without a value", |list| {
            list.drop_empty.then(|| list.drop_empty = false)
        }),
        change("query-repeated-first", 2, list, "repeated", "the signer took the first of several parameters of one name", |list| {
            (list.repeated != Repeated::First).then(|| list.repeated = Repeated::First)
        }),
        change("query-repeated-all", 2, list, "repeated", "the signer took every parameter of one name", |list| {
            (list.repeated != Repeated::All).then(|| list.repeated = Repeated::All)
        }),
        change("query-repeated-joined", 2, list, "repeated", "the signer joined the values of one name with commas", |list| {
            list.repeated = Repeated::Join(b",".to_vec());
            Some(())
        }),
    ];
    let names = base.with_scene(|scene| {
        let mut names: Vec<String> = Vec::new();
        for source in &list.of(base.plan()).from {
            let pairs = lists::pairs_of(scene, list.of(base.plan()), *source).unwrap_or_default();
            names.extend(pairs.into_iter().filter_map(|(name, _)| String::from_utf8(name).ok()));
        }
        names
    });
    let mut names: Vec<String> = names.into_iter().fold(Vec::new(), |mut seen, name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
        seen
    });
    names.truncate(MOST_LEFT_OUT);
    for name in names {
        let what = format!("the parameter {} was not signed: it was added later, or the signer left it out", name.escape_default());
        all.push(change("parameter-left-out", 2, list, "except", &what, move |list| {
            list.except.push(name.clone());
            Some(())
        }));
    }
    all
}

fn whole(base: &Process, list: List) -> Vec<Mutation> {
    let mut all = Vec::new();
    let sources = &list.of(base.plan()).from;
    let form = if sources.contains(&PairSource::Form) {
        change("form-left-out", 1, list, "from", "the signer left out the fields of the form", |list| {
            let before = list.from.len();
            list.from.retain(|source| *source != PairSource::Form);
            (list.from.len() != before).then_some(())
        })
    } else {
        change("form-taken-in", 1, list, "from", "the signer took in the fields of the form", |list| {
            list.from.push(PairSource::Form);
            Some(())
        })
    };
    all.push(form);
    if sources.contains(&PairSource::Query) && sources.len() > 1 {
        all.push(change("query-left-out", 1, list, "from", "the signer left out the query", |list| {
            list.from.retain(|source| *source != PairSource::Query);
            Some(())
        }));
    }
    for (joint, shown) in [("", "nothing"), ("&", "&"), (",", "a comma"), (";", "a semicolon"), ("\n", "line feeds")] {
        let what = format!("the signer joined the parameters with {shown}");
        all.push(
            change("query-joined-otherwise", 2, list, "join", &what, move |list| {
                (list.join != joint.as_bytes()).then(|| list.join = joint.into())
            })
            .on_axis("pairs-join"),
        );
    }
    for (home, index, op) in places(base, |s| *s == list.source()) {
        let (rule, like) = (place::rule(base.plan(), home, index), op.clone());
        all.push(Mutation::new("query-left-out", 1, rule.clone(), "the signer left out the parameters", move |process| {
            let program = home.program(process.plan())?.clone();
            let given = process.render_op(&program, program.ops.get(index)?).ok()?;
            (!given.is_empty()).then(|| replace_op(process, home, index, &like, Vec::new()))?
        }));
        all.push(Mutation::new("query-mark-kept", 2, rule, "the signer wrote a ? before the parameters", move |process| {
            rewrite_source(process, home, index, &op, |text| [b"?", text].concat())
        }));
    }
    all
}
