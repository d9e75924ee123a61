use super::*;

/// `Σ x xᵀ` of some inputs, and a little on the diagonal.
fn moments(size: usize) -> Array2<f64> {
    let inputs: Vec<f64> = crate::matrix::tests::weights(size * (size + 3))
        .into_iter()
        .map(|input| f64::from(input) * 20.0)
        .collect();
    let inputs = Array2::from_shape_vec((size + 3, size), inputs).unwrap();
    inputs.t().dot(&inputs) + Array2::<f64>::eye(size) * 0.5
}

/// Sizes of less than a block, of one, and of several with a part of one left over.
#[test]
fn the_factor_is_that_of_the_inverse() {
    for size in [0, 1, 2, 63, 64, 65, 200] {
        let moments = moments(size);
        let factor = inverse_factor(moments.slice(s![..;-1, ..;-1]).to_owned()).unwrap();
        for ((row, column), &value) in factor.indexed_iter() {
            assert!(row <= column || value == 0.0, "{value} at {row}, {column} of {size}");
            assert!(row != column || value > 0.0, "{value} at {row} of {size}");
        }
        let factor = factor.mapv(f64::from);
        let whole = factor.t().dot(&factor).dot(&moments);
        for ((row, column), &value) in whole.indexed_iter() {
            let expected = f64::from(u8::from(row == column));
            assert!((value - expected).abs() < 1e-4, "{value} at {row}, {column} of {size}");
        }
    }
}

#[test]
fn what_is_not_positive_definite_has_none() {
    for size in [1, 64, 100] {
        let mut moments = moments(size);
        moments[[size / 2, size / 2]] = -1.0;
        assert_eq!(inverse_factor(moments), None, "{size}");
    }
    assert_eq!(inverse_factor(Array2::from_elem((3, 3), f64::NAN)), None);
    assert_eq!(inverse_factor(Array2::zeros((70, 70))), None);
}

#[test]
fn threads_do_not_change_it() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| inverse_factor(moments(300)).unwrap())
    };
    assert_eq!(with(1), with(4));
}
