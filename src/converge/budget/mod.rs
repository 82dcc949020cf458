//! The removal budget of one App: how much may be taken away from people before a person has to say yes.
//!
//! Pure: values and moments in, verdicts out. Whatever takes something away from somebody in an App passes through the
//! one [`Budget`] of that App, which knows everybody from whom something is about to be taken:
//!
//! * what a person's own record says goes the express way, a few a minute;
//! * everything else, and what is beyond that, joins a wave, which is counted as a whole when it has been quiet for a
//!   while, and passes whole or is held whole;
//! * what is held is frozen: a set of marks with a digest, which a person approves or rejects.
//!
//! A place in the budget is promised first, stored next, and spent last, right before the first step that takes
//! something away. Promised and spent together never exceed the limit of the window, so nothing that happens in between
//! lets through one removal too many.

mod ahead;
mod frozen;
mod limits;
mod members;
mod record;
mod removal;
#[cfg(test)]
mod tests;
mod usage;
mod wave;

pub use frozen::FrozenSet;
pub use limits::Limits;
pub use members::{Bond, Budget, Passage, Permit, Standing};
pub use removal::{Class, Kind, Mark, Removal, foreseen};
pub use usage::Moment;
pub use wave::{Excess, Verdict};
