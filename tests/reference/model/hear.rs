//! What the core says, and what it means for the calls.

use super::{Call, MEDIA, Model, PAUSE, Pipes, RETRY, RING, State, What, Word};

impl Model {
    pub fn hear(&mut self, id: &str, word: &Word) {
        if self.pipes == Pipes::One {
            self.unsent_due = None;
            for (ended, until) in std::mem::take(&mut self.unsent) {
                if *word == Word::InCall && self.now <= until && (id == ended || id.is_empty()) {
                    self.say(if id.is_empty() { &ended } else { id }, What::Bye);
                }
            }
        }
        let call = self.about(id);
        match word {
            Word::Offer { bad } => self.hear_offer(id, *bad),
            Word::Answer { bad } => self.hear_answer(id, call, *bad),
            Word::Ringing => {
                if let Some((State::Out { rung, .. }, call)) = self.state(call) {
                    *rung = true;
                    self.calls[call].retry = None;
                }
            }
            Word::Bye => {
                if let Some(call) = call {
                    self.no_luck(call, false);
                }
            }
            Word::Idle => match self.pipes {
                Pipes::Many if !id.is_empty() => self.busy.retain(|known| known != id),
                Pipes::One | Pipes::Many => self.busy.clear(),
            },
            Word::InCall => self.hear_in_call(id, call),
            Word::NotInCall => {
                let blamed = if id.is_empty() { (!self.calls.is_empty()).then_some(0) } else { call };
                if let Some(at) = blamed {
                    self.calls[at].moving = false;
                    if self.calls[at].taken_over && matches!(self.calls[at].state, State::Out { .. }) {
                        // It is over elsewhere, too.
                        let id = self.calls[at].id.clone();
                        self.busy.retain(|known| *known != id);
                        self.end(at, false);
                    }
                }
            }
            Word::TryAgain => {
                let window = (self.now + RETRY.0, self.now + RETRY.1);
                if let Some(at) = call {
                    if matches!(self.calls[at].state, State::Out { rung: false, .. }) {
                        self.calls[at].retry = Some(window);
                    }
                    self.calls[at].moving = false;
                }
            }
            Word::InvalidCallId => {
                self.busy.retain(|known| known != id);
                if let Some(call) = call {
                    self.end(call, false);
                }
            }
            Word::RateLimitHit => {
                self.paused_until = self.now + PAUSE;
                let named = call.map(|at| self.calls[at].id.clone());
                let waits = |call: &Call| {
                    matches!(call.state, State::Out { rung: false, .. })
                        && named.as_ref().is_none_or(|named| call.id == *named)
                };
                while let Some(at) = self.find(waits).filter(|_| !self.is_former(id)) {
                    self.end(at, true);
                }
            }
            Word::ToPhone | Word::Unknown => {}
        }
    }

    fn hear_offer(&mut self, id: &str, bad: bool) {
        let call = match self.pipes {
            Pipes::Many if id.is_empty() => return,
            Pipes::Many => self.find(|call| call.id == id),
            // The one call, whatever the id.
            Pipes::One => (!self.calls.is_empty()).then_some(0),
        };
        match call {
            Some(at) if bad => self.end(at, true),
            Some(at) => {
                // One that rings here has a new Offer; others are renegotiated.
                if !matches!(self.calls[at].state, State::In { .. }) && self.registered {
                    let id = self.calls[at].id.clone();
                    self.say(&id, What::Answer);
                }
            }
            // It crossed our Bye.
            None if self.pipes == Pipes::Many && self.is_former(id) => self.say(id, What::Bye),
            None if !self.calls.is_empty() => self.say(id, What::Bye),
            None => {
                self.a_call_begins();
                let state = State::In { until: self.now + RING };
                let call = Call { id: id.to_owned(), state, taken_over: false, moving: false, retry: None };
                self.calls.push(call);
                if bad {
                    self.end(0, true);
                } else {
                    self.say(id, What::Ringing);
                }
            }
        }
    }

    fn hear_answer(&mut self, id: &str, call: Option<usize>, bad: bool) {
        let until = self.now + MEDIA;
        if call.is_none() && self.pipes == Pipes::Many && self.let_go.iter().any(|(former, _)| former == id) {
            // Somebody holds a telephone in which nobody speaks.
            self.say(id, What::Bye);
        }
        let Some((state, at)) = self.state(call) else { return };
        let State::Out { early, .. } = *state else { return };
        *state = if early { State::Talk { lost: None } } else { State::Wait { until } };
        self.calls[at].retry = None;
        self.rest.clear();
        let winner = self.calls[at].id.clone();
        if self.calls[at].taken_over {
            self.busy.retain(|known| *known != winner);
        }
        while let Some(loser) = self.find(|call| call.id != winner) {
            self.end(loser, true);
        }
        if bad {
            self.end(0, true);
        }
    }

    fn hear_in_call(&mut self, id: &str, call: Option<usize>) {
        if self.pipes == Pipes::Many && id.is_empty() {
            return;
        }
        if let Some(at) = call.filter(|at| self.calls[*at].moving) {
            self.end(at, false);
        }
        match self.pipes {
            Pipes::One => self.busy = vec![id.to_owned()],
            Pipes::Many if self.busy.iter().any(|known| known == id) => {}
            Pipes::Many => self.busy.push(id.to_owned()),
        }
    }
}
