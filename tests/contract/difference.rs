//! How a server's behaviour differs from the contract.

use std::fmt;

use tenure::connectors::{Failure, FailureClass};

/// What a server cannot do, said by the connector or seen in its answers: to be declared in the server's table. The
/// words are the same in every run.
///
/// That a connector says one thing and the server shows another is no difference but an error: cases assert it.
#[derive(Debug)]
pub(crate) struct Difference(String);

/// How a case ends.
pub(crate) type Outcome = Result<(), Difference>;

impl Difference {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Failure> for Difference {
    fn from(failure: Failure) -> Self {
        assert_ne!(failure.class, FailureClass::Fenced, "the fence is open");
        assert!(!failure.to_string().contains("canary-"), "a secret in a failure");
        Self(format!("{} ({:?})", failure.reason, failure.class))
    }
}

/// Says at which step of a case a difference showed.
pub(crate) trait At<T> {
    fn at(self, step: &str) -> Result<T, Difference>;
}

impl<T, E: Into<Difference>> At<T> for Result<T, E> {
    fn at(self, step: &str) -> Result<T, Difference> {
        self.map_err(|error| Difference(format!("{step}: {}", error.into())))
    }
}

/// A difference unless the condition holds.
pub(crate) fn unless(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(Difference::new(what)) }
}

/// A difference that lists what the condition does not hold for.
pub(crate) fn none_of<T: fmt::Display>(wrong: &[T], what: &str) -> Outcome {
    let list: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    if list.is_empty() { Ok(()) } else { Err(Difference(format!("{what}: {}", list.join(", ")))) }
}
