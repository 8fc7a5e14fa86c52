//! `[selftest]`: when the box tests its loudspeaker and microphone by itself.

use std::time::Duration;

use crate::appliance::self_test::SelfTestSettings;
use crate::appliance::wall_clock::Zone;

use super::diagnostic::Problem;
use super::incoming::read_window;
use super::section::Section;

/// Often enough to be found before the next visitor, seldom enough to annoy nobody.
const EVERY: Duration = Duration::from_secs(86_400);

pub(super) fn read(section: Option<Section<'_>>, zone: Option<&Zone>) -> SelfTestSettings {
    let Some(mut section) = section else { return SelfTestSettings::default() };
    let range = Duration::from_secs(60)..=Duration::from_secs(31 * 86_400);
    let every = section.duration("every", range).unwrap_or(EVERY);
    let window = section.section("window").and_then(read_window);
    if let Some(at) = section.key_at("window")
        && zone.is_none()
    {
        let what = "a window of the day needs the box's time zone";
        section.note(at, Problem::new(what, "add time-zone = \"Europe/Oslo\", or another, to [terminal]"));
    }
    section.finish();
    SelfTestSettings { every: Some(every), window: zone.cloned().zip(window) }
}
