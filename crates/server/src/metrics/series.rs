//! Counters, gauges and histograms as plain atomics: a request adds to them without a lock, and they never grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of durations, in microseconds: 0.1 ms to 30 s.
const MICROS: &[u64] = &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];
/// The upper bounds of bodies, in bytes: 256 B to 64 MiB.
const BYTES: &[u64] = &[256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are at this moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// Counts as one in its gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(Arc<AtomicU64>);

impl Gauge {
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many values lie within each bound, and their sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what lies beyond the last.
    buckets: Box<[Counter]>,
    sum: Counter,
    /// How many of its values are one in the unit that is told.
    per_unit: f64,
}

impl Histogram {
    /// Of durations, told in seconds.
    pub(crate) fn of_durations() -> Self {
        Self::new(MICROS, 1e6)
    }

    /// Of sizes, told in bytes.
    pub(crate) fn of_sizes() -> Self {
        Self::new(BYTES, 1.0)
    }

    fn new(bounds: &'static [u64], per_unit: f64) -> Self {
        Self { bounds, buckets: (0..=bounds.len()).map(|_| Counter::default()).collect(), sum: Counter::default(), per_unit }
    }

    pub(crate) fn note(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].add(1);
        self.sum.add(value);
    }

    pub(crate) fn note_time(&self, took: Duration) {
        self.note(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// For each bound, how many values are at most as large; the last is the number of all.
    pub(crate) fn cumulated(&self) -> Vec<(String, u64)> {
        let mut count = 0;
        let bounds = self.bounds.iter().map(|bound| self.told(*bound).to_string()).chain(["+Inf".to_owned()]);
        let cumulate = |(bound, bucket): (String, &Counter)| {
            count += bucket.get();
            (bound, count)
        };
        bounds.zip(&self.buckets).map(cumulate).collect()
    }

    pub(crate) fn sum(&self) -> f64 {
        self.told(self.sum.get())
    }

    #[expect(clippy::cast_precision_loss, reason = "a text of a measurement needs no more than 53 bits")]
    fn told(&self, value: u64) -> f64 {
        value as f64 / self.per_unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_within_every_bound_that_holds_it() {
        let histogram = Histogram::of_sizes();
        for size in [0, 256, 257, u64::from(u32::MAX)] {
            histogram.note(size);
        }
        let told = histogram.cumulated();
        assert_eq!((told[0].clone(), told[1].clone()), (("256".to_owned(), 2), ("1024".to_owned(), 3)));
        assert_eq!((told[told.len() - 2].1, told.last().unwrap().clone()), (3, ("+Inf".to_owned(), 4)));
    }

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let gauge = Gauge::default();
        let held = (gauge.hold(), gauge.hold());
        assert_eq!(gauge.get(), 2);
        drop(held);
        assert_eq!(gauge.get(), 0);
    }
}
