//! Logins, refreshes and ends of sessions, counted.

use countersign_core::session::{Ended, RefreshFault, SessionFault};

use super::series::Counter;
use super::text::Text;

/// What becomes of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginEnd {
    Begun,
    Rejected,
    /// Too many from one address, or at this gateway.
    Limited,
    /// Too many passwords were being checked.
    Busy,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct SessionSeries {
    logins: [Counter; 4],
    refreshed: Counter,
    refused: Counter,
    reused: Counter,
    ended: Counter,
}

impl SessionSeries {
    pub(crate) fn login(&self, end: LoginEnd) {
        self.logins[end as usize].add(1);
    }

    pub(crate) fn refresh<T>(&self, result: &Result<T, SessionFault>) {
        let counter = match result {
            Ok(_) => &self.refreshed,
            Err(SessionFault::Refresh(RefreshFault::Reused | RefreshFault::Over(Ended::Reuse), _)) => &self.reused,
            Err(_) => &self.refused,
        };
        counter.add(1);
    }

    pub(crate) fn end(&self) {
        self.ended.add(1);
    }

    pub(crate) fn write(&self, text: &mut Text) {
        let mut family = text.counter("countersign_logins_total", "Logins of users, by what became of them.");
        for (result, end) in
            [("begun", LoginEnd::Begun), ("rejected", LoginEnd::Rejected), ("limited", LoginEnd::Limited), ("busy", LoginEnd::Busy)]
        {
            family.value(&[("result", result)], self.logins[end as usize].get());
        }
        let mut family = text.counter("countersign_refreshes_total", "Refreshes of sessions, by what became of them.");
        for (result, counter) in [("refreshed", &self.refreshed), ("refused", &self.refused), ("reuse", &self.reused)] {
            family.value(&[("result", result)], counter.get());
        }
        text.counter("countersign_sessions_ended_total", "Sessions that a logout or a revocation ended here.").value(&[], self.ended.get());
    }
}
