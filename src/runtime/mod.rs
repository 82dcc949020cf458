//! What keeps the operator running: lease, queues, fleet index, back-off, metrics, health, shutdown.

pub mod backoff;
pub mod lease;
pub mod queue;
