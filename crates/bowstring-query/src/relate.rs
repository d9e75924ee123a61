//! Which rows does a frame have? Filtering, joining, grouping, ordering and sampling them.

use std::collections::HashSet;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, ExprFunctionExt, ExprSchemable, LogicalPlanBuilder, lit};

use crate::error::{during, planning};
use crate::project::refuse_aggregates;
use crate::{Frame, QueryError, Result};

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Pairs of rows whose keys are equal.
    Inner,
    /// Those, and the rows of the left side without a partner.
    Left,
    /// Those, and the rows of the right side without a partner.
    Right,
    /// Those, and the rows of both sides without a partner.
    Full,
    /// The rows of the left side that have a partner, with its columns alone.
    Semi,
    /// The rows of the left side that have none, with its columns alone.
    Anti,
    /// Every pair of rows; there are no keys.
    Cross,
}

impl JoinKind {
    /// Every kind and its name in documents and on the command line.
    pub const NAMES: [(&'static str, JoinKind); 7] = [
        ("inner", JoinKind::Inner),
        ("left", JoinKind::Left),
        ("right", JoinKind::Right),
        ("full", JoinKind::Full),
        ("semi", JoinKind::Semi),
        ("anti", JoinKind::Anti),
        ("cross", JoinKind::Cross),
    ];
}

/// How many rows a sample has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleSize {
    /// Exactly so many; all when there are fewer.
    Rows(u64),
    /// Each row with this probability, from 0 to 1.
    Fraction(f64),
}

impl Frame {
    /// The rows for which a condition is true; not those for which it is null.
    ///
    /// # Errors
    /// When the condition is malformed, not boolean, or has an unknown name or a wrong type.
    pub fn filter(&self, predicate: &str) -> Result<Frame> {
        let condition = self.expr(predicate)?;
        refuse_aggregates([&condition])?;
        if !find_window_exprs([&condition]).is_empty() {
            return Err(QueryError::Plan {
                reason: "a filter cannot look at other rows".into(),
                hint: Some("compute the window function with `with_columns` first".into()),
            });
        }
        let data_type = condition.get_type(self.df_schema()).map_err(planning("planning a filter"))?;
        if data_type != arrow::datatypes::DataType::Boolean {
            return Err(QueryError::NotBoolean { text: predicate.to_owned(), data_type });
        }
        self.then(|builder| builder.filter(condition))
    }

    /// Joins on columns that are equal, `(left, right)`; nulls are equal to nothing. A key that has
    /// one name on both sides appears once (for right and full joins, with the value of the side
    /// that has the row). Another name that is on both sides gets the suffix `_right` on the right.
    ///
    /// # Errors
    /// When a column is unknown, keys are text on one side and numbers on the other, there are no
    /// keys (or, for a cross join, some), or two columns would have one name.
    pub fn join(&self, other: &Frame, on: &[(String, String)], how: JoinKind) -> Result<Frame> {
        if on.is_empty() != (how == JoinKind::Cross) {
            return Err(QueryError::plan(match how {
                JoinKind::Cross => "a cross join has no keys",
                _ => "a join needs at least one pair of keys",
            }));
        }
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for (left, right) in on {
            self.column(left)?;
            other.column(right)?;
            left_keys.push(side("left", left));
            right_keys.push(side("right", right));
        }
        let kind = match how {
            JoinKind::Inner | JoinKind::Cross => JoinType::Inner,
            JoinKind::Left => JoinType::Left,
            JoinKind::Right => JoinType::Right,
            JoinKind::Full => JoinType::Full,
            JoinKind::Semi => JoinType::LeftSemi,
            JoinKind::Anti => JoinType::LeftAnti,
        };
        let columns = self.joined_columns(other, on, how);
        self.then(|builder| {
            let right = LogicalPlanBuilder::from(other.plan().clone()).alias("right")?.build()?;
            let left = builder.alias("left")?;
            let joined = match how {
                JoinKind::Cross => left.cross_join(right)?,
                _ => left.join(right, kind, (left_keys, right_keys), None)?,
            };
            joined.project(columns)
        })
    }

    fn joined_columns(&self, other: &Frame, on: &[(String, String)], how: JoinKind) -> Vec<Expr> {
        let shared: HashSet<&str> =
            on.iter().filter(|(left, right)| left == right).map(|(left, _)| left.as_str()).collect();
        let mut columns: Vec<Expr> = self
            .names()
            .map(|name| {
                let (left, right) = (Expr::Column(side("left", name)), Expr::Column(side("right", name)));
                let value = match how {
                    JoinKind::Right if shared.contains(name) => right,
                    JoinKind::Full if shared.contains(name) => coalesce(vec![left, right]),
                    _ => left,
                };
                value.alias(name)
            })
            .collect();
        if !matches!(how, JoinKind::Semi | JoinKind::Anti) {
            let left: HashSet<&str> = self.names().collect();
            columns.extend(other.names().filter(|name| !shared.contains(name)).map(|name| {
                let value = Expr::Column(side("right", name));
                if left.contains(name) { value.alias(format!("{name}_right")) } else { value.alias(name) }
            }));
        }
        columns
    }

    /// One row for each group: the columns or expressions of `by`, then the aggregates, from
    /// `(name, expression)` such as `sum(x)` or `sum(x) / count(*)`. Without `by` the whole frame
    /// is one group.
    ///
    /// # Errors
    /// When an expression is malformed, or uses a column outside an aggregate that is not in `by`.
    pub fn aggregate(&self, by: &[String], aggs: &[(String, String)]) -> Result<Frame> {
        let mut groups = Vec::new();
        for text in by {
            groups.extend(self.select_item(text)?);
        }
        refuse_aggregates(&groups)?;
        let mut outputs = Vec::new();
        for (name, text) in aggs {
            outputs.push(self.expr(text)?.alias(name));
        }
        if groups.is_empty() && outputs.is_empty() {
            return Err(QueryError::plan("nothing to group by and nothing to aggregate"));
        }
        let aggregates = find_aggregate_exprs(&outputs);
        let mut columns: Vec<Expr> = groups.iter().map(named_column).collect();
        for output in outputs {
            columns.push(self.after_grouping(output, &groups, &aggregates)?);
        }
        self.then(|builder| builder.aggregate(groups, aggregates)?.project(columns))
    }

    /// The expression over the columns that grouping leaves.
    fn after_grouping(&self, output: Expr, groups: &[Expr], aggregates: &[Expr]) -> Result<Expr> {
        let mut loose = None;
        let transformed = output.transform_down(|expr| {
            let group = groups.iter().find(|group| **group == expr || (*group).clone().unalias() == expr);
            Ok(match (group, &expr) {
                (Some(group), _) => jump(named_column(group)),
                (None, expr) if aggregates.contains(expr) => jump(named_column(expr)),
                (None, Expr::Column(column)) => {
                    loose.get_or_insert_with(|| column.name.clone());
                    Transformed::no(Expr::Column(column.clone()))
                }
                _ => Transformed::no(expr),
            })
        });
        let expr = transformed.map_err(planning("planning an aggregation"))?.data;
        match loose {
            None => Ok(expr),
            Some(name) => Err(QueryError::Plan {
                reason: format!("column `{name}` is neither grouped by nor aggregated"),
                hint: Some(format!("group by it, or write `first_value({name})` or another aggregate")),
            }),
        }
    }

    /// The rows in order: `a`, `b desc`, `c asc nulls first`. Ascending and nulls last unless said;
    /// rows that compare equal come in any order.
    ///
    /// # Errors
    /// When an expression is malformed, or there is none.
    pub fn sort(&self, by: &[String]) -> Result<Frame> {
        if by.is_empty() {
            return Err(QueryError::plan("nothing to sort by"));
        }
        let keys = by.iter().map(|text| self.sort_item(text)).collect::<Result<Vec<_>>>()?;
        refuse_aggregates(keys.iter().map(|key| &key.expr))?;
        self.then(|builder| builder.sort(keys))
    }

    /// One row for each combination of values of `columns`, of all columns when there are none.
    /// Of several rows it keeps the one that is first when the other columns, in their order, are
    /// sorted ascending with nulls last, so that the result does not depend on the order of rows.
    ///
    /// # Errors
    /// When a column is unknown.
    pub fn distinct(&self, columns: &[String]) -> Result<Frame> {
        if columns.is_empty() {
            return self.then(LogicalPlanBuilder::distinct);
        }
        let keys: Vec<Expr> = columns.iter().map(|name| self.column(name)).collect::<Result<_>>()?;
        let others = self.names().filter(|name| !columns.iter().any(|key| key == name));
        let order =
            others.map(|name| Ok(self.column(name)?.sort(true, false))).collect::<Result<Vec<_>>>()?;
        if order.is_empty() {
            return self.then(LogicalPlanBuilder::distinct);
        }
        let rank = row_number()
            .partition_by(keys)
            .order_by(order)
            .build()
            .map_err(during("planning distinct"))?
            .alias(self.free_name("rank"));
        let name = rank.schema_name().to_string();
        let mut columns: Vec<Expr> = self.names().map(|name| self.column(name)).collect::<Result<_>>()?;
        let kept = columns.clone();
        columns.push(rank);
        self.project(columns)?
            .then(|builder| builder.filter(Expr::Column(Column::new_unqualified(name)).eq(lit(1_u64))))?
            .project(kept)
    }

    /// All rows of both, by the names of the columns; the order of columns is that of the first.
    ///
    /// # Errors
    /// When the names are not the same, or a column is text in one and numbers in the other.
    pub fn union(&self, other: &Frame) -> Result<Frame> {
        let only = |a: &Frame, b: &Frame| -> Vec<String> {
            let there: HashSet<&str> = b.names().collect();
            a.names().filter(|name| !there.contains(name)).map(str::to_owned).collect()
        };
        let (only_left, only_right) = (only(self, other), only(other, self));
        if !only_left.is_empty() || !only_right.is_empty() {
            return Err(QueryError::ColumnsDisagree { only_left, only_right });
        }
        let same_order: Vec<Expr> = self.names().map(|name| other.column(name)).collect::<Result<_>>()?;
        let other = other.project(same_order)?;
        self.then(|builder| builder.union(other.plan().clone()))
    }

    /// At most `n` rows: the first ones where the frame has an order (that of its file or table, or
    /// of a sort), any ones after a join or an aggregation.
    ///
    /// # Errors
    /// Never for a valid frame.
    pub fn limit(&self, n: usize) -> Result<Frame> {
        self.then(|builder| builder.limit(0, Some(n)))
    }

    /// A random sample. Each row's number is drawn from a hash of its values and the seed, so the
    /// same rows and seed give the same sample whatever their order and however many threads there
    /// are. For that, a fraction keeps or drops rows that are equal in every column together, and
    /// so many rows are those of the lowest numbers, in that order.
    ///
    /// # Errors
    /// When the fraction is not from 0 to 1.
    pub fn sample(&self, size: SampleSize, seed: u64) -> Result<Frame> {
        let columns: Vec<Expr> = self.names().map(|name| self.column(name)).collect::<Result<_>>()?;
        let draw = crate::row_hash::row_hash(seed, columns.clone());
        match size {
            SampleSize::Fraction(fraction) if (0.0..=1.0).contains(&fraction) => {
                match crate::row_hash::threshold(fraction) {
                    Some(below) => self.then(|builder| builder.filter(draw.lt(lit(below)))),
                    None => Ok(self.clone()),
                }
            }
            SampleSize::Fraction(fraction) => {
                Err(QueryError::plan(format!("the fraction {fraction} is not between 0 and 1")))
            }
            SampleSize::Rows(rows) => {
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                let name = self.free_name("draw");
                let mut with_draw = columns.clone();
                with_draw.push(draw.alias(&name));
                let key = Expr::Column(Column::new_unqualified(name)).sort(true, false);
                self.project(with_draw)?
                    .then(|builder| builder.sort_with_limit([key], Some(rows)))?
                    .project(columns)
            }
        }
    }

    /// A column name that the frame does not have.
    fn free_name(&self, stem: &str) -> String {
        let mut name = format!("__{stem}");
        while self.names().any(|taken| taken == name) {
            name.push('_');
        }
        name
    }
}

fn side(table: &str, column: &str) -> Column {
    Column::new(Some(table), column)
}

fn named_column(expr: &Expr) -> Expr {
    Expr::Column(Column::new_unqualified(expr.schema_name().to_string()))
}

fn jump(expr: Expr) -> Transformed<Expr> {
    Transformed::new(expr, true, datafusion::common::tree_node::TreeNodeRecursion::Jump)
}
