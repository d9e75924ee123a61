//! What is a query before it runs?

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::error::planning;
use crate::{QueryError, Result, Session};

/// A query that has not run: where rows come from and what is to be done with them. Cloning is
/// cheap; every method gives a new frame.
///
/// Wherever a method takes an expression, the exact name of a column is that column; any other
/// text is SQL, in which a name with unusual characters stands in double quotes. Names are case
/// sensitive.
#[derive(Clone)]
pub struct Frame {
    session: Session,
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Frame {
    /// Checks `plan` and makes a frame of it. Its columns lose the names of the tables that they
    /// come from, and must have a name each.
    pub(crate) fn new(session: &Session, plan: LogicalPlan) -> Result<Self> {
        crate::size::check_plan(&plan)?;
        crate::size::planning(|| Self::checked(session, plan))
    }

    fn checked(session: &Session, plan: LogicalPlan) -> Result<Self> {
        let plan = without_qualifiers(plan)?;
        let state = session.state();
        let plan = state
            .analyzer()
            .execute_and_check(plan, state.config_options(), |_, _| {})
            .map_err(planning("planning a query"))?;
        let schema = Arc::clone(plan.schema().inner());
        Ok(Self { session: session.clone(), plan, schema })
    }

    /// The columns of the result: names and types.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The session that runs it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    pub(crate) fn df_schema(&self) -> &DFSchema {
        self.plan.schema()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    pub(crate) fn column(&self, name: &str) -> Result<Expr> {
        match self.schema.index_of(name) {
            Ok(_) => Ok(Expr::Column(Column::new_unqualified(name))),
            Err(_) => Err(QueryError::unknown_column(name, self.names())),
        }
    }

    /// The frame with `step` on top of it.
    pub(crate) fn then(
        &self,
        step: impl FnOnce(LogicalPlanBuilder) -> datafusion::error::Result<LogicalPlanBuilder>,
    ) -> Result<Frame> {
        let plan = step(LogicalPlanBuilder::from(self.plan.clone()))
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning("planning a query"))?;
        Frame::new(&self.session, plan)
    }
}

fn without_qualifiers(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name().as_str())) {
        return Err(QueryError::DuplicateColumn { name: twice.name().clone() });
    }
    if schema.iter().all(|(qualifier, _)| qualifier.is_none()) {
        return Ok(plan);
    }
    let columns = schema.iter().map(|(qualifier, field)| {
        Expr::Column(Column::new(qualifier.cloned(), field.name())).alias(field.name())
    });
    LogicalPlanBuilder::from(plan)
        .project(columns.collect::<Vec<_>>())
        .and_then(LogicalPlanBuilder::build)
        .map_err(planning("planning a query"))
}
