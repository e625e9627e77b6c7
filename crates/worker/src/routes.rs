use std::time::Duration;

use forebay_queue_core::Kind;

use crate::RetryPolicy;

/// Which handler takes which kind, and by which rules.
pub(crate) struct Routes {
    /// In order of kind.
    routes: Vec<Route>,
    default_policy: RetryPolicy,
}

pub(crate) struct Route {
    pub(crate) kind: Kind,
    pub(crate) policy: RetryPolicy,
    pub(crate) timeout: Option<Duration>,
}

impl Routes {
    /// Routes in order of kind, and the policy for kinds that no one takes.
    pub(crate) fn new(routes: Vec<Route>, default_policy: RetryPolicy) -> Self {
        debug_assert!(
            routes.is_sorted_by(|a, b| a.kind < b.kind),
            "sorted, once each"
        );
        Self {
            routes,
            default_policy,
        }
    }

    pub(crate) fn find(&self, kind: &Kind) -> Option<usize> {
        self.routes.binary_search_by(|r| r.kind.cmp(kind)).ok()
    }

    pub(crate) fn route(&self, index: usize) -> &Route {
        &self.routes[index]
    }

    pub(crate) fn policy(&self, route: Option<usize>) -> RetryPolicy {
        route.map_or(self.default_policy, |index| self.routes[index].policy)
    }
}
