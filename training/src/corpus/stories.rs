//! Short stories from a grammar: a plot is a row of sentences, each in several wordings, about the same few things.

use super::facts::{Fact, capitalised, with_article};
use super::plots::{ENDINGS, OPENINGS, PLOTS};
use super::talk::invented;
use crate::random::Random;

/// Names, and whether their bearer is `she`.
pub const NAMES: [(&str, bool); 36] = [
    ("Anna", true),
    ("Ben", false),
    ("Clara", true),
    ("Daniel", false),
    ("Emma", true),
    ("Felix", false),
    ("Greta", true),
    ("Henry", false),
    ("Ida", true),
    ("Jack", false),
    ("Kate", true),
    ("Leo", false),
    ("Mia", true),
    ("Noah", false),
    ("Olivia", true),
    ("Paul", false),
    ("Rosa", true),
    ("Sam", false),
    ("Tilda", true),
    ("Tom", false),
    ("Lucy", true),
    ("Max", false),
    ("Nora", true),
    ("Oscar", false),
    ("Ella", true),
    ("Finn", false),
    ("Lily", true),
    ("Hugo", false),
    ("Zoe", true),
    ("Peter", false),
    ("Maria", true),
    ("John", false),
    ("Sarah", true),
    ("David", false),
    ("Alice", true),
    ("Bob", false),
];

/// Who a story may be about.
pub const HEROES: [&str; 40] = [
    "fox", "rabbit", "bear", "mouse", "owl", "cat", "dog", "hedgehog", "squirrel", "duck", "frog", "wolf",
    "deer", "turtle", "horse", "goat", "lion", "elephant", "penguin", "dragon", "robot", "girl", "boy",
    "king", "queen", "sailor", "baker", "gardener", "knight", "princess", "farmer", "painter", "teacher",
    "wizard", "snail", "bird", "monkey", "tiger", "bee", "giant",
];

const ADJECTIVES: [&str; 20] = [
    "little", "brave", "clever", "shy", "kind", "old", "young", "curious", "quiet", "cheerful", "small",
    "lonely", "friendly", "lazy", "hungry", "gentle", "proud", "patient", "careful", "funny",
];

const PLACES: [&str; 20] = [
    "in a green valley",
    "at the edge of the forest",
    "near a quiet lake",
    "on a small island",
    "in an old mill",
    "behind the mountains",
    "by the sea",
    "in a warm cave",
    "under a tall oak tree",
    "in a small village",
    "beside a river",
    "on a windy hill",
    "in a large garden",
    "in a stone tower",
    "in a wooden house",
    "at the end of a long road",
    "in a snowy land",
    "in a busy town",
    "on a lonely farm",
    "near an old bridge",
];

/// What is lost, found or made in a story.
pub const THINGS: [&str; 26] = [
    "lantern",
    "key",
    "red ball",
    "silver bell",
    "map",
    "blue hat",
    "golden ring",
    "kite",
    "drum",
    "boat",
    "book",
    "basket",
    "clock",
    "flute",
    "letter",
    "mirror",
    "blanket",
    "coin",
    "star",
    "ladder",
    "wheel",
    "cup",
    "box",
    "feather",
    "compass",
    "stone",
];

const FOODS: [&str; 14] = [
    "bread", "apples", "soup", "honey", "berries", "cake", "nuts", "cheese", "pears", "porridge", "plums",
    "pie", "carrots", "cherries",
];

const WEATHER: [&str; 12] = [
    "sunny", "cold", "rainy", "windy", "foggy", "bright", "stormy", "snowy", "warm", "grey", "clear", "quiet",
];

/// The words of one story, by the letter that stands for them in the plots.
struct Cast {
    hero: String,
    adjective: &'static str,
    name: String,
    she: bool,
    friend: String,
    friend_name: &'static str,
    friend_she: bool,
    thing: String,
    place: &'static str,
    food: &'static str,
    weather: &'static str,
}

impl Cast {
    fn draw(random: &mut Random) -> Cast {
        let (name, she) = NAMES[random.below(NAMES.len())];
        let hero = random.pick(&HEROES);
        let (name, she) = match hero {
            "girl" | "queen" | "princess" => NAMES[2 * random.below(NAMES.len() / 2)],
            "boy" | "king" => NAMES[2 * random.below(NAMES.len() / 2) + 1],
            _ => (name, she),
        };
        let (friend, friend_name, friend_she) = loop {
            let friend = HEROES[random.below(21)];
            let (other, other_she) = NAMES[random.below(NAMES.len())];
            if friend != hero && other != name {
                break (friend, other, other_she);
            }
        };
        Cast {
            hero: hero.to_owned(),
            adjective: random.pick(&ADJECTIVES),
            name: name.to_owned(),
            she,
            friend: friend.to_owned(),
            friend_name,
            friend_she,
            thing: random.pick(&THINGS).to_owned(),
            place: random.pick(&PLACES),
            food: random.pick(&FOODS),
            weather: random.pick(&WEATHER),
        }
    }

    /// The value of a `{slot}` of the plots.
    fn value(&self, slot: &str) -> String {
        let pick =
            |she: bool, female: &str, male: &str| if she { female.to_owned() } else { male.to_owned() };
        match slot {
            "hero" => self.hero.clone(),
            "a hero" => with_article(&format!("{} {}", self.adjective, self.hero)),
            "name" => self.name.clone(),
            "she" => pick(self.she, "she", "he"),
            "She" => pick(self.she, "She", "He"),
            "her" => pick(self.she, "her", "him"),
            "her own" => pick(self.she, "her", "his"),
            "friend" => self.friend.clone(),
            "a friend" => with_article(&self.friend),
            "Fname" => self.friend_name.to_owned(),
            "fshe" => pick(self.friend_she, "she", "he"),
            "fShe" => pick(self.friend_she, "She", "He"),
            "fher" => pick(self.friend_she, "her", "him"),
            "thing" => self.thing.clone(),
            "a thing" => with_article(&self.thing),
            "place" => self.place.to_owned(),
            "Place" => capitalised(self.place),
            "food" => self.food.to_owned(),
            "weather" => self.weather.to_owned(),
            "a weather" => with_article(self.weather),
            _ => panic!("the plots name an unknown slot {{{slot}}}"),
        }
    }

    fn fill(&self, sentence: &str) -> String {
        let mut filled = String::new();
        let mut rest = sentence;
        while let Some((before, after)) = rest.split_once('{') {
            let (slot, after) = after.split_once('}').expect("the plots close every slot");
            filled.push_str(before);
            filled.push_str(&self.value(slot));
            rest = after;
        }
        filled + rest
    }
}

/// A request for a story, and the story.
pub fn draw(random: &mut Random) -> Fact {
    let mut cast = Cast::draw(random);
    if random.percent(10) {
        cast.hero = invented(random);
    }
    if random.percent(6) {
        cast.thing = invented(random);
    }
    let about = match random.below(12) {
        0..3 => return (asked_plainly(random), told(&cast, random)),
        3..7 => with_article(&cast.hero),
        7 => format!("{} and {}", with_article(&cast.hero), with_article(&cast.friend)),
        8 => format!("{} called {}", with_article(&cast.hero), cast.name),
        9 => format!("{} and {}", with_article(&cast.hero), with_article(&cast.thing)),
        10 => with_article(&format!("{} {}", cast.adjective, cast.hero)),
        _ => with_article(&cast.thing),
    };
    let asked = match random.below(8) {
        0..4 => format!("Tell me a story about {about}."),
        4 => format!("Tell me a short story about {about}."),
        5 => format!("Write a story about {about}."),
        6 => format!("Can you tell me a story about {about}?"),
        _ => format!("tell me a story about {about}"),
    };
    (asked, told(&cast, random))
}

/// A request for one more story, and the story.
pub fn another(random: &mut Random) -> Fact {
    let asked =
        ["Another one, please.", "One more!", "Another story, please.", "Tell me another one.", "Again!"];
    (random.pick(&asked).to_owned(), told(&Cast::draw(random), random))
}

fn asked_plainly(random: &mut Random) -> String {
    let asked = [
        "Tell me a story.",
        "Tell me a story.",
        "Tell me a short story.",
        "Can you tell me a story?",
        "Write a story.",
        "Please tell me a story.",
        "tell me a story",
        "I would like to hear a story.",
        "A story, please.",
        "Write a short story.",
        "Do you know a story?",
    ];
    random.pick(&asked).to_owned()
}

fn told(cast: &Cast, random: &mut Random) -> String {
    let plot = PLOTS[random.below(PLOTS.len())];
    let parts =
        std::iter::once(&OPENINGS[..]).chain(plot.iter().copied()).chain(std::iter::once(&ENDINGS[..]));
    let sentences: Vec<String> = parts.map(|wordings| cast.fill(random.pick(wordings))).collect();
    sentences.join(" ")
}

/// A story alone, as in a book.
pub fn plain(random: &mut Random) -> String {
    told(&Cast::draw(random), random)
}
