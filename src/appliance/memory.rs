//! What must outlive a restart. The shell keeps it; see `system/state_store.rs`.

use serde::{Deserialize, Serialize};

use super::id::CallId;

/// Plain data. What a file does not say is at its default, and what this
/// version does not know is ignored, so that versions may change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Memory {
    /// The box was opened or torn off its wall, and nobody has said since that
    /// all is well.
    pub tampered: bool,
    /// Wrong codes since the last right one; each few of them lock codes out
    /// for twice as long as the few before.
    pub wrong_codes: u32,
    /// The volume that somebody chose where a change holds for good.
    pub volume: Option<KeptVolume>,
    /// The calls that the voice core knows of: a process that starts with some was not
    /// ended in good order, and ends them.
    pub calls: Vec<CallId>,
}

/// A volume that somebody chose at the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptVolume {
    /// In percent of full.
    pub percent: u8,
    /// What the configuration said then: one that says something else now goes before.
    pub configured: u8,
}
