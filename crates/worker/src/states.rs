use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;

/// The values that handlers ask for as [`State`](crate::State), one per type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<S: Send + Sync + 'static>(&mut self, state: S) {
        self.0.insert(TypeId::of::<S>(), Box::new(state));
    }

    pub(crate) fn get<S: 'static>(&self) -> Option<&S> {
        self.0.get(&TypeId::of::<S>())?.downcast_ref()
    }

    pub(crate) fn missing(&self, needs: &Requirements) -> Option<&'static str> {
        let absent = |(id, _): &&(TypeId, &'static str)| !self.0.contains_key(id);
        needs.0.iter().find(absent).map(|(_, name)| *name)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

/// What a handler's arguments need from the worker, asked for before it starts.
#[derive(Debug, Default)]
pub struct Requirements(Vec<(TypeId, &'static str)>);

impl Requirements {
    /// A [`State`](crate::State) of this type.
    pub fn state<S: 'static>(&mut self) {
        self.0.push((TypeId::of::<S>(), type_name::<S>()));
    }
}
