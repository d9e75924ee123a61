//! A graph as it lies on disk.

use std::{error::Error, fs, path::Path};

/// The arrays of a graph's folder; see `graphs.py`.
pub struct Input {
    /// Ends of the edges as generated.
    pub src: Vec<u32>,
    /// Ends of the edges as generated.
    pub dst: Vec<u32>,
    /// Where each node's row begins.
    pub indptr: Vec<u64>,
    /// Neighbours.
    pub indices: Vec<u32>,
    /// Weights of the edges to them.
    pub weights: Vec<u32>,
    /// Where searches begin.
    pub sources: Vec<u32>,
    /// Whether rows hold one direction of each edge only.
    pub directed: bool,
    /// The width of delta-stepping's buckets, for those who want to be told.
    pub delta: f32,
}

impl Input {
    pub fn read(folder: &Path, delta: f32) -> Result<Self, Box<dyn Error>> {
        let words = |name: &str| -> Result<Vec<u32>, Box<dyn Error>> {
            let bytes = fs::read(folder.join(name))?;
            Ok(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
        };
        let indptr = fs::read(folder.join("indptr.u64"))?;
        Ok(Self {
            src: words("src.u32")?,
            dst: words("dst.u32")?,
            indptr: indptr.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            indices: words("indices.u32")?,
            weights: words("weights.u32")?,
            sources: words("sources.u32")?,
            directed: fs::read_to_string(folder.join("meta.json"))?.contains("\"directed\": true"),
            delta,
        })
    }

    pub fn num_nodes(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Each entry of each row: its row, its neighbour, its weight.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u32, f32)> {
        self.indptr.windows(2).enumerate().flat_map(move |(row, ends)| {
            (ends[0] as usize..ends[1] as usize)
                .map(move |entry| (row as u32, self.indices[entry], self.weights[entry] as f32))
        })
    }
}
