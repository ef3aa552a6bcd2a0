//! The spanning tree of the network simplex method: parents, depths and children, with a cheap exchange of one arc.

/// Stands for "no node".
const NONE: u32 = u32::MAX;

/// A node's place in the tree.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The next node towards the root.
    pub parent: u32,
    /// The arc between the node and its parent, in either direction.
    pub arc: u32,
    /// Arcs between here and the root.
    depth: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
}

/// A tree over all nodes; the last one is the root.
#[derive(Debug, Clone)]
pub struct Tree {
    places: Vec<Place>,
}

impl Tree {
    /// All nodes `0..nodes` hang directly below the root, which is node `nodes`; node `i` by the arc `first_arc + i`.
    pub fn star(nodes: u32, first_arc: u32) -> Self {
        let alone = Place {
            parent: NONE,
            arc: NONE,
            depth: 0,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
        };
        let mut tree = Self { places: vec![alone; nodes as usize + 1] };
        for node in (0..nodes).rev() {
            tree.attach(node, nodes, first_arc + node);
            tree.places[node as usize].depth = 1;
        }
        tree
    }

    /// Where a node is.
    pub fn place(&self, node: u32) -> Place {
        self.places[node as usize]
    }

    /// The lowest node above both.
    pub fn join(&self, mut a: u32, mut b: u32) -> u32 {
        while a != b {
            let (above_a, above_b) = (self.place(a), self.place(b));
            if above_a.depth >= above_b.depth {
                a = above_a.parent;
            }
            if above_b.depth >= above_a.depth {
                b = above_b.parent;
            }
        }
        a
    }

    /// Cuts the arc above `cut_below`, turns the part below it so that `inner` is on top, and hangs that below
    /// `outer` by `arc`. `inner` is in the part that is cut off, `outer` is not.
    pub fn exchange(&mut self, cut_below: u32, inner: u32, outer: u32, arc: u32) {
        let (mut node, mut parent, mut arc) = (inner, outer, arc);
        loop {
            let old = self.place(node);
            self.detach(node);
            self.attach(node, parent, arc);
            if node == cut_below {
                return;
            }
            (parent, arc, node) = (node, old.arc, old.parent);
        }
    }

    /// Sets the depths below `top` anew and calls `visit` for every node there.
    pub fn refresh_below(&mut self, top: u32, mut visit: impl FnMut(u32)) {
        let mut node = top;
        loop {
            let place = self.place(node);
            self.places[node as usize].depth = self.place(place.parent).depth + 1;
            visit(node);
            if place.first_child != NONE {
                node = place.first_child;
                continue;
            }
            while node != top && self.place(node).next_sibling == NONE {
                node = self.place(node).parent;
            }
            if node == top {
                return;
            }
            node = self.place(node).next_sibling;
        }
    }

    fn attach(&mut self, node: u32, parent: u32, arc: u32) {
        let sibling = std::mem::replace(&mut self.places[parent as usize].first_child, node);
        if sibling != NONE {
            self.places[sibling as usize].previous_sibling = node;
        }
        let place = &mut self.places[node as usize];
        (place.parent, place.arc) = (parent, arc);
        (place.next_sibling, place.previous_sibling) = (sibling, NONE);
    }

    fn detach(&mut self, node: u32) {
        let Place { parent, next_sibling, previous_sibling, .. } = self.place(node);
        if previous_sibling == NONE {
            self.places[parent as usize].first_child = next_sibling;
        } else {
            self.places[previous_sibling as usize].next_sibling = next_sibling;
        }
        if next_sibling != NONE {
            self.places[next_sibling as usize].previous_sibling = previous_sibling;
        }
    }
}
