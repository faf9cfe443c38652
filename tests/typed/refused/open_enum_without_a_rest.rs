// E0004
use kaa_tests::typed::Mood;

pub fn good(mood: &Mood) -> bool {
    match mood {
        Mood::Good => true,
        Mood::Bad => false,
    }
}
