//! How often each odd thing happened since the start.

use std::collections::BTreeMap;

/// Counters by name; names are kebab-case and fixed in the code.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    counts: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// Counts one more.
    pub fn count(&mut self, name: &'static str) {
        let count = self.counts.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    /// All that ever counted anything.
    pub fn all(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}
