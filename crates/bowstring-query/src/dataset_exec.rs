//! How is a dataset read in parallel?

use std::collections::HashSet;
use std::fmt::Formatter;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bowstring_core::Cancel;
use bowstring_io::{Batches, Dataset, IoError, Part, Predicate, Scan};
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::Stream;

use crate::error::IoFault;
use crate::session::QueryCancel;

/// Reads a dataset. Each partition is a run of consecutive parts, so that partitions one after the
/// other are the rows in the order of the files.
#[derive(Debug)]
pub(crate) struct DatasetExec {
    dataset: Arc<Dataset>,
    scan: Scan,
    partitions: Vec<Vec<Part>>,
    schema: SchemaRef,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DatasetExec {
    pub(crate) fn new(
        dataset: Arc<Dataset>,
        scan: Scan,
        threads: usize,
        statistics: &Statistics,
    ) -> Result<Self> {
        let schema: SchemaRef = match &scan.projection {
            Some(columns) => Arc::new(dataset.schema().project(columns)?),
            None => Arc::clone(dataset.schema()),
        };
        let parts = dataset.split(&scan).map_err(fault)?;
        // The first rows of a file are those of its beginning, whatever the number of threads.
        let threads = if scan.limit.is_some() { 1 } else { threads };
        let partitions = balance(parts, threads);
        let statistics = statistics.clone().project(scan.projection.as_ref());
        let statistics = if scan.predicate.is_some() { statistics.to_inexact() } else { statistics };
        let statistics = match scan.limit {
            Some(limit) => statistics.with_fetch(Some(limit), 0, 1)?,
            None => statistics,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            dataset,
            scan,
            partitions,
            schema,
            statistics: Arc::new(statistics),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The rows that it keeps.
    pub(crate) fn predicate(&self) -> Option<&Predicate> {
        self.scan.predicate.as_ref()
    }
}

/// Runs of consecutive parts of about equal weight, at most one for each thread and at least one.
fn balance(parts: Vec<Part>, threads: usize) -> Vec<Vec<Part>> {
    let threads = threads.clamp(1, parts.len().max(1)) as u64;
    let total: u64 = parts.iter().map(|part| part.weight.max(1)).sum();
    let mut runs: Vec<Vec<Part>> = vec![Vec::new()];
    let mut before = 0;
    for part in parts {
        let weight = part.weight.max(1);
        // A part belongs to the run in whose share its middle lies.
        let run = u128::from(before + weight / 2) * u128::from(threads) / u128::from(total.max(1));
        before += weight;
        if run >= runs.len() as u128 && runs.last().is_some_and(|last| !last.is_empty()) {
            runs.push(Vec::new());
        }
        if let Some(last) = runs.last_mut() {
            last.push(part);
        }
    }
    runs
}

/// An error of a reader, as it goes through a plan.
pub(crate) fn fault(error: IoError) -> DataFusionError {
    DataFusionError::External(Box::new(IoFault(Arc::new(error))))
}

impl DisplayAs for DatasetExec {
    fn fmt_as(&self, style: DisplayFormatType, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let separator = if matches!(style, DisplayFormatType::TreeRender) {
            "\n"
        } else {
            write!(f, "DatasetExec: ")?;
            ", "
        };
        let files: HashSet<&Path> = self.dataset.files().collect();
        write!(f, "files={}{separator}", files.len())?;
        write!(f, "partitions={}{separator}projection=[{}]", self.partitions.len(), columns.join(", "))?;
        if let Some(predicate) = &self.scan.predicate {
            write!(f, "{separator}predicate={}", crate::predicate::show(predicate, self.dataset.schema()))?;
        }
        if let Some(limit) = self.scan.limit {
            write!(f, "{separator}limit={limit}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for DatasetExec {
    fn name(&self) -> &'static str {
        "DatasetExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = self
            .partitions
            .get(partition)
            .cloned()
            .ok_or_else(|| DataFusionError::Internal(format!("the scan has no partition {partition}")))?;
        let cancel = context
            .session_config()
            .get_extension::<QueryCancel>()
            .map_or_else(Cancel::new, |cancel| cancel.0.clone());
        Ok(Box::pin(ScanStream {
            dataset: Arc::clone(&self.dataset),
            left: self.scan.limit,
            scan: self.scan.clone(),
            parts: parts.into_iter(),
            current: None,
            schema: Arc::clone(&self.schema),
            cancel,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(match args.partition() {
            None => Arc::clone(&self.statistics),
            Some(_) => Arc::new(Statistics::new_unknown(&self.schema)),
        })
    }
}

/// Decodes on the thread that asks: decoding is computing, and one budget of threads pays for both.
struct ScanStream {
    dataset: Arc<Dataset>,
    scan: Scan,
    parts: std::vec::IntoIter<Part>,
    current: Option<Batches>,
    left: Option<usize>,
    schema: SchemaRef,
    cancel: Cancel,
    metrics: BaselineMetrics,
}

impl ScanStream {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.cancel.check().map_err(|cancelled| fault(cancelled.into()))?;
            if self.left == Some(0) {
                return Ok(None);
            }
            let batches = match &mut self.current {
                Some(batches) => batches,
                None => {
                    let Some(part) = self.parts.next() else { return Ok(None) };
                    let batches = self.dataset.read(&part, &self.scan, &self.cancel).map_err(fault)?;
                    self.current.insert(batches)
                }
            };
            let Some(batch) = batches.next() else {
                self.current = None;
                continue;
            };
            let batch = conform(batch.map_err(fault)?, &self.schema)?;
            let batch = match &mut self.left {
                Some(left) => {
                    let rows = batch.num_rows().min(*left);
                    *left -= rows;
                    batch.slice(0, rows)
                }
                None => batch,
            };
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }
}

/// The batch under the plan's own schema, which it must fit.
fn conform(batch: RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        Ok(batch)
    } else {
        Ok(batch.with_schema(Arc::clone(schema))?)
    }
}

impl Stream for ScanStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let elapsed = self.metrics.elapsed_compute().clone();
        let _timer = elapsed.timer();
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            // After an error there is nothing more to say.
            self.current = None;
            self.left = Some(0);
        }
        self.metrics.record_poll(Poll::Ready(next))
    }
}

impl RecordBatchStream for ScanStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
