//! The tree of categories, three levels deep.

use std::sync::Arc;

use super::unit::Unit;
use crate::written::Place;

/// Written below the level that could be told; also a category of its own at every level.
pub const OTHER: &str = "其他";

/// An index into [`Categories`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CategoryId(pub(super) usize);

/// One category of any level.
#[derive(Debug, Clone)]
pub struct Category {
    pub name: String,
    /// 0, 1 or 2.
    pub level: usize,
    pub parent: Option<CategoryId>,
    /// The unit in charge, its own or its parent's.
    pub unit: Option<Arc<Unit>>,
    /// Where that is written: what a dispatch rests on.
    pub ruled: Option<Place>,
    /// Who handles it too, and who is told (art. 12), its own or its parent's.
    pub co: Vec<Arc<Unit>>,
    pub copies: Vec<Arc<Unit>>,
    /// The request type where the text does not tell (an index into the catalogue's types), its own or its parent's.
    pub kind: Option<usize>,
}

/// All categories; a parent comes before its children.
#[derive(Debug, Default)]
pub struct Categories {
    list: Vec<Category>,
}

impl Categories {
    pub(super) fn push(&mut self, category: Category) -> CategoryId {
        self.list.push(category);
        CategoryId(self.list.len() - 1)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn get(&self, id: CategoryId) -> &Category {
        &self.list[id.0]
    }

    /// Counts from 0 to [`Categories::len`].
    pub fn index(&self, id: CategoryId) -> usize {
        id.0
    }

    /// A parent comes before its children.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (CategoryId, &Category)> + ExactSizeIterator {
        self.list.iter().enumerate().map(|(i, category)| (CategoryId(i), category))
    }

    /// The category itself, then its parents up to the first level.
    pub fn upward(&self, id: CategoryId) -> impl Iterator<Item = CategoryId> + '_ {
        std::iter::successors(Some(id), |id| self.get(*id).parent)
    }

    /// Three names; 其他 for the levels below `id`.
    pub fn path(&self, id: CategoryId) -> [String; 3] {
        let mut path = [OTHER; 3].map(str::to_owned);
        for id in self.upward(id) {
            let category = self.get(id);
            path[category.level] = category.name.clone();
        }
        path
    }

    /// The deepest category that a ticket's path (as [`Categories::path`] makes it) leads to.
    pub fn at(&self, path: &[String; 3]) -> Option<CategoryId> {
        let mut found = None;
        for name in path {
            let below = self.iter().find(|(_, category)| category.parent == found && category.name == *name);
            let Some((id, _)) = below else { break };
            found = Some(id);
        }
        found
    }

    /// The category that a path `一/二/三` or a name means. A bare name that several categories have means the highest
    /// of them, and nothing where two are equally high.
    pub fn find(&self, name: &str) -> Option<CategoryId> {
        let mut names = name.rsplit('/').map(str::trim);
        let last = names.next()?;
        let above: Vec<&str> = names.collect();
        let fits = |id: CategoryId| {
            let mut parents = self.upward(id).skip(1);
            above.iter().all(|name| parents.next().is_some_and(|p| self.get(p).name == **name))
        };
        let found: Vec<(CategoryId, &Category)> =
            self.iter().filter(|(id, category)| category.name == last && fits(*id)).collect();
        let highest = found.iter().map(|(_, category)| category.level).min()?;
        let mut at_top = found.iter().filter(|(_, category)| category.level == highest);
        match (at_top.next(), at_top.next()) {
            (Some((id, _)), None) => Some(*id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(name: &str, level: usize, parent: Option<CategoryId>) -> Category {
        let (co, copies) = (Vec::new(), Vec::new());
        Category { name: name.to_owned(), level, parent, unit: None, ruled: None, co, copies, kind: None }
    }

    fn tree() -> (Categories, [CategoryId; 4]) {
        let mut tree = Categories::default();
        let mut add = |name: &str, level, parent| tree.push(bare(name, level, parent));
        let town = add("城乡建设", 0, None);
        let care = add("市政管理", 1, Some(town));
        let water = add("自来水供应", 2, Some(care));
        let roads = add("其他", 2, Some(care));
        (tree, [town, care, water, roads])
    }

    #[test]
    fn a_path_is_filled_up_with_other() {
        let (tree, [town, _, water, _]) = tree();
        assert_eq!(tree.path(water), ["城乡建设", "市政管理", "自来水供应"]);
        assert_eq!(tree.path(town), ["城乡建设", "其他", "其他"]);
    }

    #[test]
    fn a_path_leads_back_to_its_category() {
        let (tree, all) = tree();
        let [town, care, water, other] = all;
        for id in [town, water, other] {
            assert_eq!(tree.at(&tree.path(id)), Some(id));
        }
        assert_eq!(tree.at(&tree.path(care)), Some(other), "其他 below it is a category of its own");
        assert_eq!(tree.at(&["卫生", "其他", "其他"].map(str::to_owned)), None);
        let gone = ["城乡建设", "市政管理", "没有了"].map(str::to_owned);
        assert_eq!(tree.at(&gone), Some(care), "as far as it goes");
    }

    #[test]
    fn names_and_paths_are_found() {
        let (mut tree, [town, care, water, other]) = tree();
        assert_eq!(tree.find("自来水供应"), Some(water));
        assert_eq!(tree.find("城乡建设/市政管理/其他"), Some(other));
        assert_eq!(tree.find("环境保护/市政管理"), None);
        tree.push(bare("自来水供应", 2, Some(town)));
        assert_eq!(tree.find("自来水供应"), None, "two of one level");
        assert_eq!(tree.find("市政管理/自来水供应"), Some(water));
        assert_eq!(tree.find("市政管理"), Some(care));
    }
}
