//! What was read of everything that is counted, at one time.

use super::{Metric, Reading};

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Whole(u64),
    Real(f64),
    Times(Box<Reading>),
    /// The labels are all there is to say.
    Fact,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Reading> for Value {
    fn from(value: Reading) -> Self {
        Self::Times(Box::new(value))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub metric: Metric,
    /// Of the labels that the metric's row names, in that order.
    pub labels: Vec<String>,
    pub value: Value,
}

impl Sample {
    /// With their names.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = self.metric.labels().iter().copied();
        names.zip(self.labels.iter().map(String::as_str))
    }
}

/// What is gathered by whoever asks everybody.
#[derive(Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// `labels`: a value for each label that the metric's row names.
    pub fn add(&mut self, metric: Metric, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), metric.labels().len(), "{}", metric.name());
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.0.push(Sample { metric, labels, value: value.into() });
    }

    /// By metric, in the order of their table; of one metric, in the order in which they came.
    pub fn sorted(mut self) -> Vec<Sample> {
        self.0.sort_by_key(|sample| sample.metric);
        self.0
    }
}
