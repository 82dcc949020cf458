//! Who belongs to what, by name: the one shape of all secondary indexes.

use std::collections::HashMap;

use super::Name;

/// Names, in order, under the key that they have in common. A key without names takes no room.
#[derive(Default)]
pub(super) struct Links(HashMap<Box<str>, Vec<Name>>);

impl Links {
    pub(super) fn of(&self, key: &str) -> &[Name] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn link(&mut self, key: &str, name: &Name) {
        let names = match self.0.get_mut(key) {
            Some(names) => names,
            None => self.0.entry(key.into()).or_default(),
        };
        if let Err(place) = names.binary_search(name) {
            names.insert(place, name.clone());
        }
    }

    pub(super) fn unlink(&mut self, key: &str, name: &str) {
        let Some(names) = self.0.get_mut(key) else { return };
        names.retain(|known| **known != *name);
        if names.is_empty() {
            self.0.remove(key);
        }
    }

    #[cfg(test)]
    pub(super) fn is_tidy(&self) -> bool {
        self.0.values().all(|names| !names.is_empty())
    }
}
