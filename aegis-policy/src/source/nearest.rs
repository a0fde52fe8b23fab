//! What a word that is not known was probably meant to be.

/// The known word that is only a slip or two away from `word`.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let small = word.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&small, &other.to_lowercase());
    // A short word is another word after two slips.
    let most = if word.chars().count() < 5 { 1 } else { 2 };
    known
        .into_iter()
        .map(|other| (distance(other), other))
        .filter(|(far, _)| *far <= most)
        .min()
        .map(|(_, other)| other)
}

/// A help text that lists what is known, the likely word first.
pub(crate) fn known(word: &str, what: &str, known: &[&str]) -> String {
    let list = format!("{what}: {}", known.join(", "));
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {list}"),
        None => list,
    }
}
