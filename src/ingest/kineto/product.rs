//! Which matrix product an operator computes, by the shapes of its inputs.
//!
//! The profiler writes them where it is told to (`record_shapes=True`): one list of sizes an argument, empty for what is
//! no tensor.
//!
//! ```text
//!   aten::mm             [[32, 2880], [2880, 5120]]                A·B
//!   aten::linear         [[1, 32, 2880], [5120, 2880], [5120]]     A·Bᵀ, what stands before the last two sizes counts as rows
//!   aten::addmm          [[5120], [32, 2880], [2880, 5120], …]     a bias first
//!   aten::bmm            [[64, 512, 64], [64, 64, 512]]            64 products
//!   aiter::gemm_a16w16   [[32, 2880], [5120, 2880], [], …]
//! ```
//!
//! What of it is a product is for [`Product::of`] to say.
//!
//! A launch is for the product of the operator that made it, or else of the innermost one around it on its thread.

use crate::ingest::json::Raw;
use crate::model::{Matrix, Product, ProductIdx};

/// The product that the operator `name` computes of inputs with these sizes and types.
pub(super) fn product(name: &str, sizes: Raw<'_>, types: Option<Raw<'_>>) -> Option<Product> {
    // Two numbers of four bits are an element.
    let is_packed = || types.is_some_and(|types| memchr::memmem::find(types.bytes(), b"Float4").is_some());
    Product::of(name, matrices(sizes.bytes())?, is_packed)
}

/// The first three matrices among `sizes`; `None` if these are no lists of sizes.
fn matrices(sizes: &[u8]) -> Option<[Option<Matrix>; 3]> {
    let mut found = [None; 3];
    let mut count = 0;
    let (mut depth, mut nested) = (0_u32, false);
    let (mut matrix, mut number) = (Matrix::default(), None);
    for &byte in sizes {
        match byte {
            b'0'..=b'9' => {
                number = Some(number.unwrap_or(0_u64).saturating_mul(10).saturating_add(u64::from(byte - b'0')))
            }
            b'[' => {
                depth += 1;
                if depth == 2 {
                    (matrix, nested) = (Matrix::default(), false);
                }
                // A list of tensors is one argument, and none of its tensors is a factor.
                nested |= depth > 2;
            }
            b',' | b']' => {
                if let Some(size) = number.take().filter(|_| depth == 2) {
                    matrix.push(size);
                }
                if byte == b']' {
                    if depth == 2 && matrix.is_one() && !nested {
                        found[count] = Some(matrix);
                        count += 1;
                        if count == found.len() {
                            break;
                        }
                    }
                    depth = depth.checked_sub(1)?;
                }
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => return None,
        }
    }
    Some(found)
}

/// Operators that compute a product, by when they ran.
#[derive(Default)]
pub(super) struct Around {
    calls: Vec<Call>,
}

struct Call {
    group: u32,
    thread: u64,
    start_ns: i64,
    end_ns: i64,
    product: ProductIdx,
    /// The call that this one was made in.
    outer: Option<u32>,
}

impl Around {
    pub(super) fn add(&mut self, group: u32, thread: u64, start_ns: i64, end_ns: i64, product: ProductIdx) {
        self.calls.push(Call { group, thread, start_ns, end_ns, product, outer: None });
    }

    /// Puts calls into each other; must come before [`find`](Self::find).
    pub(super) fn nest(&mut self) {
        let key = |call: &Call| (call.group, call.thread, call.start_ns, std::cmp::Reverse(call.end_ns));
        self.calls.sort_by_key(key);
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.calls.len() {
            let call = &self.calls[at];
            let is_around =
                |outer: &Call| (outer.group, outer.thread) == (call.group, call.thread) && outer.end_ns >= call.end_ns;
            while open.last().is_some_and(|&outer| !is_around(&self.calls[outer])) {
                open.pop();
            }
            self.calls[at].outer = open.last().and_then(|&outer| u32::try_from(outer).ok());
            open.push(at);
        }
    }

    /// The product of the innermost call that ran on `thread` at `at_ns`.
    pub(super) fn find(&self, group: u32, thread: u64, at_ns: i64) -> Option<ProductIdx> {
        let key = |call: &Call| (call.group, call.thread, call.start_ns);
        let last = self.calls.partition_point(|call| key(call) <= (group, thread, at_ns)).checked_sub(1)?;
        let mut call = &self.calls[last];
        if (call.group, call.thread) != (group, thread) {
            return None;
        }
        while call.end_ns < at_ns {
            call = &self.calls[call.outer? as usize];
        }
        Some(call.product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, sizes: &str) -> Option<(u32, u32, u32, u32)> {
        let found = product(name, Raw::new(sizes.as_bytes()), None)?;
        Some((found.batch, found.m, found.n, found.k))
    }

    #[test]
    fn products_are_found_whatever_the_operator_and_the_order_of_its_arguments() {
        for (name, sizes, expected) in [
            ("aten::mm", "[[32, 2880], [2880, 5120]]", (1, 32, 5120, 2880)),
            ("aten::linear", "[[1, 7, 4096], [512, 4096], [512]]", (1, 7, 512, 4096)),
            ("aten::linear", "[[3,5,64],[128,64],[]]", (1, 15, 128, 64)),
            ("aten::addmm", "[[640], [888, 2880], [2880, 640], [], []]", (1, 888, 640, 2880)),
            ("aten::addmm", "[[8, 32], [8, 32], [32, 32], [], []]", (1, 8, 32, 32)),
            ("aten::addmm", "[[8, 16], [8, 32], [32, 16], [], []]", (1, 8, 16, 32)),
            ("aten::bmm", "[[64, 512, 64], [64, 64, 256]]", (64, 512, 256, 64)),
            ("aten::matmul", "[[2, 8, 16, 32], [2, 8, 32, 24]]", (16, 16, 24, 32)),
            ("aten::_scaled_mm", "[[1, 7168], [7168, 4096], [], [], [], [], [], []]", (1, 1, 4096, 7168)),
            ("aiter::gemm_a16w16", "[[16, 4096], [6144, 4096], [], [], [], [], []]", (1, 16, 6144, 4096)),
            ("aiter::gemm_a8w8_blockscale", "[[4, 7168], [2112, 7168], [4, 56], [17, 56]]", (1, 4, 2112, 7168)),
            ("aiter::gemm_a4w4", "[[4, 3584], [2112, 3584], [4, 224], [2112, 224]]", (1, 4, 2112, 7168)),
            ("some::product_into", "[[4, 2112], [4, 7168], [2112, 7168]]", (1, 4, 2112, 7168)),
            ("triton_tem_fused_mm_0", "[[4, 7168], [7168, 2112], [4, 2112]]", (1, 4, 2112, 7168)),
            ("_rocm_C::wvSplitK", "[[4096, 1024], [2, 1024], [], []]", (1, 2, 4096, 1024)),
            ("aten::mm", "[[64, 64], [64, 64]]", (1, 64, 64, 64)),
        ] {
            assert_eq!(of(name, sizes), Some(expected), "{name} {sizes}");
        }
    }

    #[test]
    fn what_is_no_product_is_not_taken_for_one() {
        for (name, sizes) in [
            ("aten::add", "[[32, 4096], [32, 4096], []]"),
            ("vllm::moe_forward", "[[32, 3072], [32, 32], [], []]"),
            ("aten::linear", "[[], [], []]"),
            ("aten::mm", "[[0, 64], [64, 32]]"),
            ("aten::cat", "[[[32, 64], [64, 64]], []]"),
            ("aten::mm", "[[32, 64]]"),
            ("aten::mm", "[\"x\"]"),
            ("aten::mm", "]]]]"),
            ("aten::mm", "[[99999999999999999999999, 4], [4, 4]]"),
            ("aten::bmm", "[[2, 8, 16], [3, 16, 8]]"),
            ("rotary", "[[32], [32, 4096], [32, 128], [], [131072, 64]]"),
        ] {
            assert_eq!(of(name, sizes), None, "{name} {sizes}");
        }
    }

    #[test]
    fn the_innermost_call_around_a_launch_is_found_and_others_are_not() {
        let product = ProductIdx::new;
        let mut around = Around::default();
        for (thread, start, end, of) in [(1, 12, 14, 2), (1, 0, 100, 0), (1, 10, 20, 1), (1, 30, 40, 3), (2, 50, 60, 4)]
        {
            around.add(0, thread, start, end, product(of));
        }
        around.nest();
        for (thread, at, found) in [
            (1, 13, Some(2)),
            (1, 17, Some(1)),
            (1, 25, Some(0)),
            (1, 35, Some(3)),
            (1, 90, Some(0)),
            (1, 101, None),
            (2, 55, Some(4)),
            (2, 45, None),
            (3, 13, None),
        ] {
            assert_eq!(around.find(0, thread, at), found.map(product), "{thread} {at}");
        }
        assert_eq!(around.find(1, 1, 13), None);
    }
}
