//! `[hook]`: what a handset does.

use crate::appliance::input::HookSettings;
use crate::appliance::settings::Mode;

use super::action::read_action;
use super::contacts::Contacts;
use super::section::Section;

pub(super) fn read(section: Option<Section<'_>>, contacts: &Contacts, mode: Mode) -> HookSettings {
    let mut hook = HookSettings::default();
    let Some(mut section) = section else { return hook };
    for (key, into) in [("off", &mut hook.off), ("on", &mut hook.on)] {
        if let Some(action) = section.section(key).and_then(|table| read_action(table, contacts, mode)) {
            *into = Some(action);
        }
    }
    section.finish();
    hook
}
