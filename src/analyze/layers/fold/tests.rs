//! Sequences drawn as letters, and the layers in them.

use proptest::prelude::*;

use super::*;

fn tokens(text: &str) -> Vec<u32> {
    text.chars().filter(|c| !c.is_whitespace()).map(u32::from).collect()
}

/// Letters are alike if they differ in case only.
fn alike(a: u32, b: u32) -> Option<u32> {
    let fold = |c: u32| char::from_u32(c).map(|c| c.to_ascii_lowercase());
    match (a == b, fold(a) == fold(b)) {
        (true, _) => Some(0),
        (_, true) => Some(3),
        _ => None,
    }
}

fn folded(text: &str) -> Option<(String, String, String, usize)> {
    let text_of = |tokens: &[u32]| tokens.iter().filter_map(|&c| char::from_u32(c)).collect::<String>();
    let fold = fold(&tokens(text), &alike)?;
    Some((text_of(&fold.head), text_of(&fold.cycle), text_of(&fold.tail), fold.layers))
}

fn expect(head: &str, cycle: &str, tail: &str, layers: usize) -> Option<(String, String, String, usize)> {
    Some((head.to_owned(), cycle.to_owned(), tail.to_owned(), layers))
}

#[test]
fn layers_are_found_between_head_and_tail() {
    assert_eq!(folded("e nqaonusd nqaonusd nqaonusd nqaonusd nht"), expect("e", "nqaonusd", "nht", 4));
}

#[test]
fn a_first_layer_that_begins_otherwise_leaves_its_beginning_in_the_head() {
    assert_eq!(folded("ei qaonusd nqaonusd nqaonusd nqaonusd nht"), expect("ei", "qaonusdn", "ht", 4));
}

#[test]
fn the_final_norm_is_no_layer() {
    assert_eq!(folded("nqaousd nqaousd nqaousd nqaousd nO"), expect("", "nqaousd", "nO", 4));
}

#[test]
fn two_halves_of_a_layer_are_not_two_layers() {
    // Norm, product, attention, product; norm, product, activation, product.
    let sequence = tokens(&("n g a g n g s g ".repeat(10) + "t"));
    let fold = fold(&sequence, &alike).unwrap();
    assert_eq!((fold.layers, fold.cycle, fold.tail), (10, tokens("ngagngsg"), tokens("t")));
}

#[test]
fn the_final_norm_and_an_output_head_like_a_layers_product_are_no_layer() {
    assert_eq!(folded("ngagmM ngagmM ngagmM ngagmM ng"), expect("", "ngagmM", "ng", 4));
}

#[test]
fn a_dense_layer_among_moe_layers_shares_what_it_has_in_common() {
    let sequence = tokens("e nqaoud nqaogsmm nqaogsmm nqaogsmm nqaogsmm ht");
    let fold = fold(&sequence, &alike).unwrap();
    assert_eq!((fold.layers, fold.cycle), (5, tokens("nqaogsmm")));
    let slot = |at: usize| fold.places[at];
    assert_eq!(slot(1), Some(Place::Slot(0)));
    assert_eq!(slot(3), slot(9), "the attention of the dense layer is in the place of the others'");
    assert_eq!((slot(5), slot(6)), (None, None), "its dense matrix products are not");
}

#[test]
fn another_attention_kernel_in_one_layer_keeps_the_place() {
    let sequence = tokens("e nqaos nqaos nqAos nqaos ht");
    let fold = fold(&sequence, &alike).unwrap();
    assert_eq!(fold.places[13], Some(Place::Slot(2)));
}

#[test]
fn of_regular_kernels_the_one_with_the_shortest_distance_makes_the_layers() {
    // Sliding (a) and full (A) attention alternate; the rest comes in every layer.
    assert_eq!(folded("e nqaos nqAos nqaos nqAos nqaos nqAos h").map(|(.., layers)| layers), Some(6));
}

#[test]
fn layers_need_not_be_equally_long() {
    // Full attention (A) needs a reduction (r) that sliding attention (a) does not.
    let sequence = tokens("e nqaosm nqArosm nqaosm nqArosm nqaosm nqArosm ht");
    let fold = fold(&sequence, &alike).unwrap();
    assert_eq!(fold.layers, 6);
    assert_eq!(fold.bounds, [1, 7, 14, 20, 27, 33, 40]);
    let alone = sequence.iter().zip(&fold.places).filter(|(token, _)| **token == u32::from('r'));
    let cycle_has_it = fold.cycle.contains(&u32::from('r'));
    assert!(alone.into_iter().all(|(_, place)| place.is_some() == cycle_has_it));
}

#[test]
fn a_fourth_layer_with_another_mixer_is_a_layer() {
    // Three layers of linear attention (xyzw), then one of full attention.
    let layers = "nxyzwogsmd nxyzwogsmd nxyzwogsmd nqaogsmd ".repeat(4);
    let fold = fold(&tokens(&format!("e {layers} n h t")), &alike).unwrap();
    assert_eq!((fold.layers, fold.cycle, fold.tail), (16, tokens("nxyzwogsmd"), tokens("nht")));
}

#[test]
fn dense_layers_come_first_and_are_layers() {
    let sequence = format!("e {} {} n h", "nqaonusd ".repeat(3), "nqaongskmMrd ".repeat(20));
    let fold = fold(&tokens(&sequence), &alike).unwrap();
    assert_eq!((fold.layers, fold.head, fold.tail), (23, tokens("e"), tokens("nh")));
}

#[test]
fn a_sequence_without_recurrence_has_no_layers() {
    assert_eq!(folded("abcdefgh"), None);
    assert_eq!(folded(""), None);
    assert_eq!(folded("aabacdefghijklmnop"), None);
}

#[test]
fn alignment_finds_what_was_added_removed_and_replaced() {
    let found = align(&tokens("nqaos"), &tokens("nqxAs"), &alike);
    assert_eq!(found.partner, [Some(0), Some(1), None, Some(2), Some(4)]);
}

#[test]
fn cycles_that_begin_elsewhere_are_aligned() {
    let found = align_cyclic(&tokens("nqaos"), &tokens("aosnq"), &alike);
    assert_eq!((found.partner, found.cost), (vec![Some(2), Some(3), Some(4), Some(0), Some(1)], 0));
}

proptest! {
    #[test]
    fn any_sequence_is_folded_or_refused_and_every_slot_exists(text in "[a-eA-E]{0,80}") {
        let sequence = tokens(&text);
        if let Some(fold) = fold(&sequence, &alike) {
            prop_assert_eq!(fold.places.len(), sequence.len());
            prop_assert!(fold.layers >= LAYERS_AT_LEAST);
            for (place, &token) in fold.places.iter().zip(&sequence) {
                match *place {
                    Some(Place::Head(at)) => prop_assert_eq!(fold.head[at as usize], token),
                    Some(Place::Tail(at)) => prop_assert_eq!(fold.tail[at as usize], token),
                    Some(Place::Slot(at)) => prop_assert!(alike(fold.cycle[at as usize], token).is_some()),
                    None => {}
                }
            }
        }
    }

    #[test]
    fn alignment_is_symmetric_in_cost_and_keeps_order(a in "[a-dA-D]{0,20}", b in "[a-dA-D]{0,20}") {
        let (a, b) = (tokens(&a), tokens(&b));
        let found = align(&a, &b, &alike);
        prop_assert_eq!(found.cost, align(&b, &a, &alike).cost);
        let partners: Vec<usize> = found.partner.iter().flatten().copied().collect();
        prop_assert!(partners.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
