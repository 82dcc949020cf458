//! What keeps the operator running: lease, queues, fleet index, back-off, metrics, health, shutdown.

pub mod backoff;
pub mod batch;
pub mod events;
pub mod failpoint;
pub mod health;
pub mod index;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod queue;
pub mod schedule;
pub mod shutdown;
pub mod watchdog;
