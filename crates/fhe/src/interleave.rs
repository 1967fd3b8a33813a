//! One ring key in two rings: the packing ring of dimension N, and the blind rotation's, of k
//! polynomials in Y of size N / k.
//!
//! With `Y = X^k`, a polynomial of the packing ring is `a(X) = sum_i X^i a_i(Y)`, `a_i` its
//! coefficients congruent to i modulo k. The blind rotation's key is the ring key split in this way.
//! Therefore a packed ciphertext whose message lies in powers of Y is one of the blind rotation's ring
//! up to the order of its coefficients, at no cost in time or noise ([`to_bootstrap_ring`]).

/// Coefficients of the packing ring in the order of the blind rotation's: `a_0`, then `a_1`, up to
/// `a_(k-1)`.
pub(crate) fn split(ring: &[u64], k: usize, out: &mut [u64]) {
    for (i, part) in out.chunks_mut(ring.len() / k).enumerate() {
        for (out, &x) in part.iter_mut().zip(ring.iter().skip(i).step_by(k)) {
            *out = x;
        }
    }
}

/// The inverse of [`split`]: coefficients back in the order of the packing ring.
pub(crate) fn join(split: &[u64], k: usize, out: &mut [u64]) {
    for (i, part) in split.chunks(split.len() / k).enumerate() {
        for (out, &x) in out.iter_mut().skip(i).step_by(k).zip(part) {
            *out = x;
        }
    }
}

/// The ciphertext, in the blind rotation's ring, of what a packed ciphertext holds at X^0, X^k, X^2k,
/// up to X^(N-k): k mask polynomials and a body.
///
/// `(a s)_0 = a_0 s_0 + Y (a_(k-1) s_1 + ... + a_1 s_(k-1))`: the mask that meets `s_i` is `Y a_(k-i)`.
pub(crate) fn to_bootstrap_ring(packed: &[u64], k: usize) -> Vec<u64> {
    let (mask, body) = packed.split_at(packed.len() / 2);
    let part = |polynomial: &[u64], i: usize| -> Vec<u64> {
        polynomial.iter().skip(i).step_by(k).copied().collect()
    };
    let mut out = part(mask, 0);
    for i in (1..k).rev() {
        let mut times_y = part(mask, i);
        times_y.rotate_right(1);
        times_y[0] = times_y[0].wrapping_neg(); // Y^(N / k) = -1
        out.extend(times_y);
    }
    out.extend(part(body, 0));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schoolbook product modulo X^n + 1 and 2^64, added to `sum`.
    fn add_product(sum: &mut [u64], a: &[u64], b: &[u64]) {
        let n = a.len();
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                let term = x.wrapping_mul(*y);
                let term = if i + j < n { term } else { term.wrapping_neg() };
                sum[(i + j) % n] = sum[(i + j) % n].wrapping_add(term);
            }
        }
    }

    #[test]
    fn split_and_join_are_inverse() {
        let ring = [0, 1, 2, 3, 4, 5, 6, 7];
        let (mut parts, mut back) = ([0; 8], [0; 8]);
        split(&ring, 2, &mut parts);
        assert_eq!(parts, [0, 2, 4, 6, 1, 3, 5, 7]);
        join(&parts, 2, &mut back);
        assert_eq!(back, ring);
    }

    /// Mask times key in the blind rotation's ring is every k-th coefficient of mask times key in the
    /// packing ring.
    #[test]
    fn both_rings_have_the_same_phase() {
        let n = 16;
        for k in [1, 2, 4] {
            let mask: Vec<u64> = (0..n)
                .map(|i| (i + 3u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .collect();
            let key: Vec<u64> = (0..n).map(|i| (i * i + i / 3) % 2).collect();
            let n = n as usize;
            let mut product = vec![0; n];
            add_product(&mut product, &mask, &key);
            let body: Vec<u64> = (100..100 + n as u64).collect();
            let glwe = to_bootstrap_ring(&[mask, body].concat(), k);
            let mut parts = vec![0; n];
            split(&key, k, &mut parts);
            let mut sum = vec![0; n / k];
            for (mask, key) in glwe.chunks(n / k).zip(parts.chunks(n / k)) {
                add_product(&mut sum, mask, key);
            }
            let expected: Vec<u64> = product.iter().step_by(k).copied().collect();
            assert_eq!(sum, expected, "k = {k}");
            let bodies: Vec<u64> = (100..100 + n as u64).step_by(k).collect();
            assert_eq!(glwe[n..], bodies);
        }
    }
}
