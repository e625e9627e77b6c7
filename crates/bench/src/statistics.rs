/// The middle of some values; between the two middle ones where their number is even. `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let (middle, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    match values.get(middle) {
        None => None,
        Some(upper) if is_odd => Some(*upper),
        Some(upper) => Some(values[middle - 1].midpoint(*upper)),
    }
}

/// How one median compares with another; `None` where there is nothing to compare, or the other is zero.
pub(crate) fn ratio(
    ours: impl IntoIterator<Item = f64>,
    theirs: impl IntoIterator<Item = f64>,
) -> Option<f64> {
    let (ours, theirs) = (median(ours)?, median(theirs)?);
    (theirs > 0.0).then(|| ours / theirs)
}

/// A value with so many digits after the point.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn the_ratio_is_of_medians() {
        // Not the median of the ratios, which is 1 here.
        assert_eq!(ratio([1.0, 3.0, 8.0], [1.0, 2.0, 8.0]), Some(1.5));
        assert_eq!(ratio([1.0], []), None);
        assert_eq!(ratio([1.0], [0.0]), None);
    }

    #[test]
    fn values_are_rounded_to_digits() {
        assert_eq!(rounded(1.2345, 3).to_string(), "1.235");
        assert_eq!(rounded(1234.5, 0).to_string(), "1235");
    }
}
