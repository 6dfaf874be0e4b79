//! Which call a dialog belongs to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use crate::sip::{DialogId, Event};

/// SIP events of one call that wait to be taken.
const QUEUE: usize = 32;

/// Dialogs of running calls. Clones share one table.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<HashMap<DialogId, mpsc::Sender<Event>>>>);

impl Registry {
    /// Events of `dialog` come out of the receiver from now on.
    pub fn enter(&self, dialog: DialogId) -> mpsc::Receiver<Event> {
        let (send, receive) = mpsc::channel(QUEUE);
        self.lock().insert(dialog, send);
        receive
    }

    pub fn leave(&self, dialog: DialogId) {
        self.lock().remove(&dialog);
    }

    /// Hands an event to its call. An event that nobody takes is counted: its call is over, or stuck.
    pub fn give(&self, dialog: DialogId, event: Event) {
        let sender = self.lock().get(&dialog).cloned();
        let taken = sender.is_some_and(|sender| sender.try_send(event).is_ok());
        if !taken {
            metrics::counter!("jiesu_sip_event_dropped_total").increment(1);
        }
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DialogId, mpsc::Sender<Event>>> {
        self.0.lock().expect("nothing panics while holding this lock")
    }
}
