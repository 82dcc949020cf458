//! What keeps the operator running: lease, queues, fleet index, back-off, metrics, health, shutdown.

pub mod lease;
