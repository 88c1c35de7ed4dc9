//! Signing and verifying, per dialect, over its first accepted vector. Wall clock: it informs and gates nothing.

use std::hint::black_box;

use countersign_benches::Subject;
use criterion::Criterion;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let subjects = Subject::all()?;
    assert!(!subjects.is_empty(), "no dialect has a vector to measure");
    let mut group = criterion.benchmark_group("sign");
    for subject in &subjects {
        subject.sign().map_err(|error| format!("{}: {error}", subject.id()))?;
        group.bench_function(subject.id(), |bencher| bencher.iter(|| black_box(subject.sign())));
    }
    group.finish();
    let mut group = criterion.benchmark_group("verify");
    for subject in &subjects {
        assert_eq!(subject.verify(), Ok(()), "{}: the vector is refused", subject.id());
        group.bench_function(subject.id(), |bencher| bencher.iter(|| black_box(subject.verify())));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
