use std::any::{Any, TypeId, type_name};
use std::fmt;

/// The values that handlers ask for as [`State`](crate::State), one per type. A handful: looking through them all is
/// quicker than a hash.
#[derive(Default)]
pub(crate) struct States(Vec<(TypeId, Box<dyn Any + Send + Sync>)>);

impl States {
    pub(crate) fn insert<S: Send + Sync + 'static>(&mut self, state: S) {
        let id = TypeId::of::<S>();
        self.0.retain(|(known, _)| *known != id);
        self.0.push((id, Box::new(state)));
    }

    pub(crate) fn get<S: 'static>(&self) -> Option<&S> {
        self.find(TypeId::of::<S>())?.downcast_ref()
    }

    pub(crate) fn missing(&self, needs: &Requirements) -> Option<&'static str> {
        let absent = |(id, _): &&(TypeId, &'static str)| self.find(*id).is_none();
        needs.0.iter().find(absent).map(|(_, name)| *name)
    }

    fn find(&self, id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        let found = self.0.iter().find(|(known, _)| *known == id);
        found.map(|(_, state)| &**state)
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
