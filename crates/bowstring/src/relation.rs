//! What travels between relational steps?

use std::{sync::Arc, time::Duration};

use bowstring_query::{Frame, PlanMetrics, Table};
use bowstring_workflow::{FusedMetrics, Value, ValueType};

/// The type of tables, lazy or not, between steps.
pub const TABLE: ValueType = ValueType("table");

/// The type of a graph between steps; the value is a `bowstring_graph::Graph`.
#[cfg(feature = "graph")]
pub const GRAPH: ValueType = ValueType("graph");

/// The type of a file that a step wrote; the value is its path.
pub const FILE: ValueType = ValueType("file");

/// A column's name as SQL has it.
pub(crate) fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

/// A table between steps: a plan, and its rows once they were computed.
#[derive(Clone)]
pub struct Relation {
    /// The plan; over the rows, once there are any.
    pub frame: Frame,
    /// The rows, when they were computed.
    pub table: Option<Table>,
    /// Where the rows come from, for messages: the paths of the scans below.
    pub(crate) sources: Vec<Arc<str>>,
    /// The steps that the plan consists of, in order.
    pub(crate) trail: Vec<(Arc<str>, Operator)>,
}

/// What a step adds to a plan, as far as its measure can be found in the physical plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Scan,
    Filter,
    Aggregate,
    Sort,
    Join,
    /// Adds columns or changes them, and keeps the rows.
    Project,
    /// Anything else that changes which rows there are.
    Other,
}

impl Operator {
    /// How its operators are called in physical plans.
    fn stands_for(self, name: &str) -> bool {
        match self {
            Operator::Scan => name == "DatasetExec",
            Operator::Filter => name == "FilterExec",
            Operator::Aggregate => name == "AggregateExec",
            Operator::Sort => name == "SortExec",
            Operator::Join => {
                matches!(name, "HashJoinExec" | "SortMergeJoinExec" | "NestedLoopJoinExec" | "CrossJoinExec")
            }
            Operator::Project | Operator::Other => false,
        }
    }
}

impl Relation {
    /// Rows that are there, to be read by any step.
    ///
    /// # Errors
    /// When the table cannot be planned over.
    pub fn of_table(session: &bowstring_query::Session, table: Table) -> bowstring_query::Result<Self> {
        let frame = session.table(&table)?;
        Ok(Self { frame, table: Some(table), sources: Vec::new(), trail: Vec::new() })
    }

    pub(crate) fn lazy(frame: Frame) -> Self {
        Self { frame, table: None, sources: Vec::new(), trail: Vec::new() }
    }

    /// As a value between steps.
    pub fn into_value(self) -> Value {
        Value::new(TABLE, self)
    }

    /// What the metrics of the whole plan say of the steps fused into it: where one operator stands
    /// for one step, and nothing else can have changed how many rows pass through it.
    pub(crate) fn fused_metrics(&self, metrics: &PlanMetrics) -> Vec<FusedMetrics> {
        let count = |operator| self.trail.iter().filter(|(_, other)| *other == operator).count();
        let only_projects = |part: &[(Arc<str>, Operator)], but: Operator| {
            part.iter().all(|(_, other)| {
                matches!(other, Operator::Project | Operator::Sort | Operator::Scan) || *other == but
            })
        };
        let mut fused = Vec::new();
        for (at, (step, operator)) in self.trail.iter().enumerate() {
            let (before, after) = self.trail.split_at(at);
            // Filters move below other operators, and limits end the work of what is below them.
            let unmoved = count(*operator) == 1
                && match operator {
                    Operator::Scan => count(Operator::Filter) == 0 && count(Operator::Other) == 0,
                    Operator::Filter => {
                        only_projects(before, Operator::Filter) && count(Operator::Other) == 0
                    }
                    Operator::Aggregate | Operator::Sort | Operator::Join => {
                        count(Operator::Other) == 0
                            && after.iter().all(|(_, other)| *other != Operator::Filter)
                            && (*operator != Operator::Sort || count(Operator::Aggregate) == 0)
                    }
                    Operator::Project | Operator::Other => false,
                };
            let mut operators = metrics.operators.iter().filter(|found| operator.stands_for(&found.name));
            // An aggregation is a partial and a final operator, of which the final one comes first.
            let expected = if *operator == Operator::Aggregate { 1..=2 } else { 1..=1 };
            if unmoved
                && expected.contains(&operators.clone().count())
                && let Some(top) = operators.next()
            {
                let below = operators.filter_map(|operator| operator.elapsed).sum::<Duration>();
                let run_time = top.elapsed.map(|elapsed| elapsed + below);
                fused.push(FusedMetrics { step: step.to_string(), rows: top.rows, run_time });
            }
        }
        fused
    }
}
