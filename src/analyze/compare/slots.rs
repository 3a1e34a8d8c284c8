//! Which kernels of one side stand in the place of which of the other.
//!
//! In this order, each on what the ones before left over:
//!
//! 1. *By place*: heads, layers and tails are aligned, so a kernel that another replaced is found by what stands around
//!    it, across builds, frameworks and GPUs.
//! 2. *By name*, as [`identity`] compares names.
//! 3. *By neighbour*: where one kernel was replaced by two, the second stands beside the first.
//! 4. *By purpose*: what is left of one kind on both sides replaced each other. Not for kernels of unknown purpose.
//!
//! The rest was added or removed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::analyze::compare::side::{Kernel, Side, Slot, Spot};
use crate::analyze::layers::fold::{align, align_cyclic};
use crate::analyze::layers::identity;
use crate::analyze::layers::names::{Named, Roles};
use crate::classify::Category;
use crate::output::comparison::Fate;
use crate::output::layers::Section;

/// Slots that stand for one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) base: Vec<usize>,
    pub(super) new: Vec<usize>,
    /// Section and position of the first slot, by the base's layout, else the new's.
    pub(super) place: Option<Spot>,
}

impl Pair {
    pub(super) fn category(&self, base: &Side, new: &Side) -> Category {
        let kernel = match (self.base.first(), self.new.first()) {
            (Some(&slot), _) => main(base, slot),
            (None, Some(&slot)) => main(new, slot),
            (None, None) => return Category::Other,
        };
        kernel.category
    }

    pub(super) fn fate(&self, base: &Side, new: &Side) -> Fate {
        match (self.base.first(), self.new.first()) {
            (None, _) => Fate::Added,
            (_, None) => Fate::Removed,
            (Some(&was), Some(&is)) if main(base, was).normal == main(new, is).normal => Fate::Same,
            _ => Fate::Replaced,
        }
    }
}

/// The kernel that a slot mostly ran.
pub(super) fn main(side: &Side, slot: usize) -> &Kernel {
    &side.kernels[side.slots[slot].main() as usize]
}

/// All slots of both sides, paired where they can be.
pub(super) fn pairs(base: &Side, new: &Side) -> Vec<Pair> {
    let mut matching = Matching {
        base,
        new,
        base_free: vec![true; base.slots.len()],
        new_free: vec![true; new.slots.len()],
        pairs: Vec::new(),
    };
    matching.by_place();
    matching.by_name();
    matching.by_neighbour();
    matching.by_purpose();
    matching.rest()
}

struct Matching<'a> {
    base: &'a Side,
    new: &'a Side,
    base_free: Vec<bool>,
    new_free: Vec<bool>,
    pairs: Vec<Pair>,
}

impl Matching<'_> {
    fn pair(&mut self, base: Vec<usize>, new: Vec<usize>) {
        base.iter().for_each(|&slot| self.base_free[slot] = false);
        new.iter().for_each(|&slot| self.new_free[slot] = false);
        let of = |side: &Side, slots: &[usize]| slots.iter().filter_map(|&slot| side.slots[slot].place).min();
        let place = of(self.base, &base).or_else(|| of(self.new, &new));
        self.pairs.push(Pair { base, new, place });
    }

    fn by_place(&mut self) {
        let (base, new) = (self.base, self.new);
        let (Some(base_layout), Some(new_layout)) = (&base.layout, &new.layout) else { return };
        // Kernels of the new side are numbered after those of the base.
        let offset = base.kernels.len() as u32;
        let kernel = |token: u32| match token.checked_sub(offset) {
            Some(token) => &new.kernels[token as usize],
            None => &base.kernels[token as usize],
        };
        let cost = |a: u32, b: u32| identity::cost(&kernel(a).identity(), &kernel(b).identity());
        for ((section, was), (_, is)) in base_layout.sections().into_iter().zip(new_layout.sections()) {
            let is: Vec<u32> = is.iter().map(|token| token + offset).collect();
            let found = if section == Section::Layer { align_cyclic(was, &is, &cost) } else { align(was, &is, &cost) };
            for (at, partner) in found.partner.iter().enumerate() {
                let find = |slots: &[Slot], at: usize| slots.iter().position(|s| s.place == Some((section, at as u32)));
                if let Some(partner) = partner
                    && let (Some(was), Some(is)) = (find(&base.slots, *partner), find(&new.slots, at))
                {
                    self.pair(vec![was], vec![is]);
                }
            }
        }
    }

    /// Pairs what is left of each group that both sides have.
    fn by(&mut self, key: impl for<'k> Fn(&'k Kernel) -> Option<(Category, &'k str)>) {
        let mut groups: BTreeMap<(Category, String), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (side, free, is_new) in [(self.base, &self.base_free, false), (self.new, &self.new_free, true)] {
            for slot in (0..side.slots.len()).filter(|&slot| free[slot]) {
                if let Some((category, text)) = key(main(side, slot)) {
                    let group = groups.entry((category, text.to_owned())).or_default();
                    if is_new { group.1.push(slot) } else { group.0.push(slot) }
                }
            }
        }
        for (was, is) in groups.into_values().filter(|(was, is)| !was.is_empty() && !is.is_empty()) {
            self.pair(was, is);
        }
    }

    fn by_name(&mut self) {
        self.by(|kernel| Some((kernel.category, &kernel.normal)));
    }

    fn by_purpose(&mut self) {
        self.by(|kernel| match kernel.category {
            // A GEMM's kind is its backend, which is what changes.
            Category::Gemm => Some((kernel.category, "")),
            _ => (kernel.sub != "unknown").then_some((kernel.category, &kernel.sub)),
        });
    }

    /// Adds free slots to the replaced pair beside them that does the same.
    fn by_neighbour(&mut self) {
        let (base, new) = (self.base, self.new);
        for is_new in [false, true] {
            let (side, free) = if is_new { (new, &mut self.new_free) } else { (base, &mut self.base_free) };
            for (slot, free) in free.iter_mut().enumerate() {
                let Some((section, at)) = side.slots[slot].place.filter(|_| *free) else { continue };
                let category = main(side, slot).category;
                let beside = |pair: &&mut Pair| {
                    let own = if is_new { &pair.new } else { &pair.base };
                    pair.fate(base, new) == Fate::Replaced
                        && pair.category(base, new) == category
                        && own.iter().any(|&own| {
                            side.slots[own].place.is_some_and(|(of, place)| of == section && place.abs_diff(at) == 1)
                        })
                };
                if let Some(pair) = self.pairs.iter_mut().find(beside) {
                    if is_new {
                        pair.new.push(slot)
                    } else {
                        pair.base.push(slot)
                    }
                    *free = false;
                }
            }
        }
    }

    fn rest(mut self) -> Vec<Pair> {
        for slot in 0..self.base.slots.len() {
            if self.base_free[slot] {
                self.pair(vec![slot], Vec::new());
            }
        }
        for slot in 0..self.new.slots.len() {
            if self.new_free[slot] {
                self.pair(Vec::new(), vec![slot]);
            }
        }
        self.pairs
    }
}

/// What the places of a side are called, in the words of the report; `None` if its steps have no layers.
pub(super) fn roles(side: &Side) -> Option<Roles> {
    let layout = side.layout.as_ref()?;
    let kernel = |&kernel: &u32| &side.kernels[kernel as usize];
    let heaviest = |(at, token): (usize, &u32)| {
        let slot = side.slots.iter().find(|slot| slot.place == Some((Section::Layer, at as u32)));
        let kernels = slot.into_iter().flat_map(|slot| &slot.kernels);
        let most = kernels.max_by_key(|(token, ns)| (*ns, Reverse(&kernel(token).name)));
        most.map_or_else(|| kernel(token), |(token, _)| kernel(token)).named()
    };
    let outside = |tokens: &[u32]| -> Vec<Named<'_>> { tokens.iter().map(|token| kernel(token).named()).collect() };
    let layer: Vec<Named<'_>> = layout.cycle.iter().enumerate().map(heaviest).collect();
    Some(Roles::new(&outside(&layout.head), &layer, &outside(&layout.tail)))
}

/// A place's section and what it is called.
pub(super) fn role(roles: &Roles, (section, at): Spot) -> Option<String> {
    let section_name = match section {
        Section::Head => "head",
        Section::Layer => "layer",
        Section::Tail => "tail",
    };
    Some(format!("{section_name}: {}", roles.role(section, at)?))
}
