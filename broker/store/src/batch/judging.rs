//! Has one work of a batch judged.

use super::Batch;
use crate::judge::Judge;
use crate::records::Judgement;

impl Batch {
    /// Asks the judge about one work and applies the judgement to the batch.
    pub(crate) fn judge(&mut self, at: usize, judge: &dyn Judge) {
        // An earlier work of this batch may have been the same message.
        self.answer_repeat(at);
        if self.asked(at).is_none() {
            return;
        }
        let judgement = {
            let found = self.found(at);
            judge.judge(&self.works[at], &found)
        };
        match judgement {
            Judgement::Changed(change) => self.changed(at, *change),
            Judgement::Answered(message) => self.answered(at, *message),
            Judgement::Noted => self.noted(at),
            Judgement::Refused(verdict) => {
                let id = self.asked(at).map(|asked| asked.message.source.message_id.clone());
                self.refuse(at, verdict, id, false);
            }
        }
    }
}
