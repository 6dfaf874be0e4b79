//! Who is in charge of a category.

/// A unit that handles matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// The street office of the place; the district where only that is known (the city's rules, art. 12).
    Street,
    /// One for the whole city, and what its branch in a district is called after the district's name.
    Named { city: String, district: Option<String> },
}

impl Unit {
    /// Its name for a matter in `district` and `street`.
    pub fn name(&self, district: Option<&str>, street: Option<&str>) -> Option<String> {
        match self {
            Unit::Street => district.map(|district| format!("{district}{}", street.unwrap_or_default())),
            Unit::Named { city, district: branch } => Some(match (district, branch) {
                (Some(district), Some(branch)) => format!("{district}{branch}"),
                _ => city.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_where_the_district_is_known() {
        let schools = Unit::Named { city: "市教委".to_owned(), district: Some("教委".to_owned()) };
        assert_eq!(schools.name(Some("朝阳区"), None).as_deref(), Some("朝阳区教委"));
        assert_eq!(schools.name(None, None).as_deref(), Some("市教委"));
    }

    #[test]
    fn the_street_else_the_district_else_nobody() {
        assert_eq!(Unit::Street.name(Some("朝阳区"), Some("望京街道")).as_deref(), Some("朝阳区望京街道"));
        assert_eq!(Unit::Street.name(Some("朝阳区"), None).as_deref(), Some("朝阳区"));
        assert_eq!(Unit::Street.name(None, None), None);
    }
}
