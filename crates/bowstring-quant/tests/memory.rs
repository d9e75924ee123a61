//! How much memory does it take to write a model with fewer bits, to look at it, and to make a model of it again?

#![expect(unsafe_code, reason = "the only way to count what is allocated")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use bowstring_core::Cancel;
use bowstring_quant::{
    Bits, CodeType, Dtype, Group, Model, NonFinite, Offset, Policy, QuantizedModel, Rounding, ScaleType,
    Scheme, Settings, Treatment, dequantize, on_threads, quantize,
};
use safetensors::tensor::TensorView;
use tempfile::TempDir;

/// The system's own, with a count of what is in use.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: all is done by the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as this function's own caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as this function's own caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as this function's own caller says.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there while one is copied.
        more(size);
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as this function's own caller says.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` has in use at a time beyond those before it.
fn most(work: impl FnOnce()) -> usize {
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed) - before
}

const ROWS: usize = 4096;
const COLUMNS: usize = 2048;
/// What two threads, the writer and the reader have at hand, whatever the size of a tensor.
const AT_HAND: usize = 10 << 20;

/// Three tensors of a type; gives the bytes of one.
fn model(folder: &Path, dtype: Dtype) -> (PathBuf, usize) {
    let count = ROWS * COLUMNS;
    let number = |index: usize| ((index.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0;
    let bytes: Vec<u8> = match dtype {
        Dtype::F32 => (0..count).flat_map(|index| number(index).to_le_bytes()).collect(),
        Dtype::F16 => (0..count).flat_map(|index| half::f16::from_f32(number(index)).to_le_bytes()).collect(),
        // None of them is NaN.
        _ => (0..count).map(|index| (index.wrapping_mul(2_654_435_761) >> 7) as u8 & 0xBF).collect(),
    };
    let view = || TensorView::new(dtype, vec![ROWS, COLUMNS], &bytes).unwrap();
    let tensors = [("a.kept", view()), ("b.weight", view()), ("c.half", view())];
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    (path, bytes.len())
}

/// One test, for others beside it would be counted too.
#[test]
fn memory_does_not_grow_as_if_numbers_had_32_bits() {
    let two = NonZero::new(2);
    let scheme = Scheme {
        bits: Bits::Four,
        group: Group::of(64).unwrap(),
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F16,
        code_type: CodeType::Linear,
    };
    let policy = Policy::default()
        .with_rule("*.kept", Treatment::Keep)
        .and_then(|policy| policy.with_rule("*.half", Treatment::Halve))
        .unwrap();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::F8_E4M3] {
        let folder = TempDir::new().unwrap();
        let (path, bytes) = model(folder.path(), dtype);
        let cancel = Cancel::new();
        let is_bounded = |what: &str, most: usize, bound: usize| {
            assert!(
                most <= bound,
                "{dtype}, {what}: {most} bytes, with tensors of {bytes} more than {bound}"
            );
        };
        for (name, rounding) in [("packed.parquet", Rounding::Nearest), ("packed.safetensors", Rounding::Mse)]
        {
            let out = folder.path().join(name);
            let settings = Settings {
                scheme,
                rounding,
                policy: policy.clone(),
                non_finite: NonFinite::Refuse,
                promote: None,
                threads: two,
                resume: false,
                shard_size: None,
            };
            let model = Model::open(&path).unwrap();
            let mut stored = 0;
            let writing = most(|| {
                let report = quantize(&model, &out, &settings, BTreeMap::new(), &cancel, |_| ()).unwrap();
                stored = report.file_bytes as usize;
            });
            // Whatever a tensor becomes is there before it is written. Rows of Parquet are collected, and rows are read as a
            // whole; there are a few copies of each.
            let (writes, reads) =
                if name.ends_with(".parquet") { (4 * stored, 3 * bytes) } else { (bytes / 2, 0) };
            is_bounded(&format!("writing {name}"), writing, writes + AT_HAND);
            let packed = QuantizedModel::open(&out).unwrap();
            let measuring = most(|| {
                let work = || {
                    for tensor in model.tensors() {
                        packed.measure(tensor.name, &tensor, None, &cancel)?;
                    }
                    Ok(())
                };
                on_threads(two, work).unwrap();
            });
            is_bounded(&format!("measuring {name}"), measuring, reads + AT_HAND);
            for dtype in [Dtype::F32, Dtype::BF16] {
                let dense = folder.path().join("dense.safetensors");
                let making = most(|| {
                    dequantize(&packed, &dense, dtype, two, &cancel, |_| ()).unwrap();
                });
                is_bounded(&format!("{dtype} of {name}"), making, reads + AT_HAND);
            }
        }
    }
}
