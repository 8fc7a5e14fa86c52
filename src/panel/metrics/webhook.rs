//! How webhooks fare.

use prometheus::{Error, IntCounterVec, IntGaugeVec};

use super::{Maker, catch_up};
use crate::handle::WebhookStatus;

/// Webhooks; `hook` is their number in the configuration, from 1.
pub(super) struct WebhookFigures {
    delivered: IntCounterVec,
    failed: IntCounterVec,
    dropped: IntCounterVec,
    waiting: IntGaugeVec,
}

impl WebhookFigures {
    pub fn new(make: &Maker<'_>) -> Result<Self, Error> {
        let labels = ["hook", "server"];
        let counters = |name, help| make.counters(name, help, &labels);
        Ok(Self {
            delivered: counters("callbox_webhook_delivered_total", "Events that the server took.")?,
            failed: counters("callbox_webhook_failed_attempts_total", "Attempts that failed.")?,
            dropped: counters("callbox_webhook_dropped_total", "Events that the server never gets.")?,
            waiting: make.gauges("callbox_webhook_waiting", "Events that wait for the server.", &labels)?,
        })
    }

    pub fn take(&self, hooks: &[WebhookStatus]) {
        for (number, hook) in hooks.iter().enumerate() {
            let number = (number + 1).to_string();
            let labels = [number.as_str(), hook.server.as_str()];
            catch_up(&self.delivered.with_label_values(&labels), hook.delivered);
            catch_up(&self.failed.with_label_values(&labels), hook.failed_attempts);
            catch_up(&self.dropped.with_label_values(&labels), hook.dropped);
            self.waiting.with_label_values(&labels).set(i64::try_from(hook.waiting).unwrap_or(i64::MAX));
        }
    }
}
