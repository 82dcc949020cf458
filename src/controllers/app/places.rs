//! How many passes of one App are made at the same time, and which of them only wait.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connectors::gate::RESERVED;

/// Passes that may stand aside: each keeps some kilobytes.
const ASIDE: usize = 4_096;

/// The places of one connection.
pub struct Places {
    everybody: Arc<Semaphore>,
    leavers: Arc<Semaphore>,
    aside: Arc<Semaphore>,
    /// Passes that do more than wait.
    busy: AtomicUsize,
}

impl Places {
    /// So many places for everybody, and beside them some for leavers.
    pub fn new(concurrency: usize) -> Arc<Self> {
        Arc::new(Self {
            everybody: Arc::new(Semaphore::new(concurrency)),
            leavers: Arc::new(Semaphore::new(RESERVED.into())),
            aside: Arc::new(Semaphore::new(ASIDE)),
            busy: AtomicUsize::new(0),
        })
    }

    /// Waits for a place; a `reserved` one is for leavers. Safe to cancel.
    pub async fn enter(self: &Arc<Self>, reserved: bool) -> Place {
        let permit = acquire(if reserved { &self.leavers } else { &self.everybody }).await;
        Place { busy: Mutex::new(Some(Busy::begin(self))), permit: Mutex::new(permit), places: self.clone() }
    }

    /// Whether some pass does more than wait.
    pub fn are_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }
}

/// The semaphores are never closed.
async fn acquire(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    places.clone().acquire_owned().await.ok()
}

/// Counts as busy while it lives.
struct Busy(Arc<Places>);

impl Busy {
    fn begin(places: &Arc<Places>) -> Self {
        places.busy.fetch_add(1, Ordering::AcqRel);
        Self(places.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The place of one pass.
pub struct Place {
    busy: Mutex<Option<Busy>>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    places: Arc<Places>,
}

impl Place {
    /// Waits for something that needs no place, which others may have meanwhile, and takes one again. A leaver takes
    /// whichever is free first.
    ///
    /// Where too many stand aside already, the place is kept.
    pub async fn aside<T>(&self, leaver: bool, waiting: impl Future<Output = T>) -> T {
        let aside = self.places.aside.clone().try_acquire_owned().ok();
        let given_up = if aside.is_some() { self.permit.lock().take() } else { None };
        let gave_up = given_up.is_some();
        drop(given_up);
        drop(self.busy.lock().take());
        let found = waiting.await;
        *self.busy.lock() = Some(Busy::begin(&self.places));
        if gave_up {
            let permit = if leaver {
                tokio::select! {
                    permit = acquire(&self.places.leavers) => permit,
                    permit = acquire(&self.places.everybody) => permit,
                }
            } else {
                acquire(&self.places.everybody).await
            };
            *self.permit.lock() = permit;
        }
        found
    }
}

#[cfg(test)]
mod tests;
