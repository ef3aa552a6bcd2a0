//! Simple facts, and the ways to ask for them. One fact has one answer, so that greedy decoding is fluent.

use crate::random::Random;

/// Countries and their capitals.
pub const CAPITALS: [(&str, &str); 48] = [
    ("France", "Paris"),
    ("Italy", "Rome"),
    ("Spain", "Madrid"),
    ("Germany", "Berlin"),
    ("Portugal", "Lisbon"),
    ("Austria", "Vienna"),
    ("Greece", "Athens"),
    ("Poland", "Warsaw"),
    ("Norway", "Oslo"),
    ("Sweden", "Stockholm"),
    ("Finland", "Helsinki"),
    ("Denmark", "Copenhagen"),
    ("Ireland", "Dublin"),
    ("Hungary", "Budapest"),
    ("Belgium", "Brussels"),
    ("Switzerland", "Bern"),
    ("Iceland", "Reykjavik"),
    ("Croatia", "Zagreb"),
    ("Romania", "Bucharest"),
    ("Bulgaria", "Sofia"),
    ("Serbia", "Belgrade"),
    ("Ukraine", "Kyiv"),
    ("Estonia", "Tallinn"),
    ("Latvia", "Riga"),
    ("Turkey", "Ankara"),
    ("Japan", "Tokyo"),
    ("China", "Beijing"),
    ("India", "New Delhi"),
    ("Thailand", "Bangkok"),
    ("Vietnam", "Hanoi"),
    ("Nepal", "Kathmandu"),
    ("South Korea", "Seoul"),
    ("Australia", "Canberra"),
    ("Canada", "Ottawa"),
    ("Mexico", "Mexico City"),
    ("Cuba", "Havana"),
    ("Peru", "Lima"),
    ("Chile", "Santiago"),
    ("Argentina", "Buenos Aires"),
    ("Brazil", "Brasilia"),
    ("Egypt", "Cairo"),
    ("Morocco", "Rabat"),
    ("Kenya", "Nairobi"),
    ("Ghana", "Accra"),
    ("Nigeria", "Abuja"),
    ("Russia", "Moscow"),
    ("England", "London"),
    ("Scotland", "Edinburgh"),
];

/// Things and their colours, with the verb that agrees.
pub const COLOURS: [(&str, &str, &str); 24] = [
    ("grass", "is", "green"),
    ("snow", "is", "white"),
    ("coal", "is", "black"),
    ("blood", "is", "red"),
    ("the sky", "is", "blue"),
    ("the sun", "is", "yellow"),
    ("milk", "is", "white"),
    ("gold", "is", "yellow"),
    ("chocolate", "is", "brown"),
    ("a banana", "is", "yellow"),
    ("a lemon", "is", "yellow"),
    ("a frog", "is", "green"),
    ("a crow", "is", "black"),
    ("a swan", "is", "white"),
    ("a carrot", "is", "orange"),
    ("a strawberry", "is", "red"),
    ("a tomato", "is", "red"),
    ("a flamingo", "is", "pink"),
    ("a cucumber", "is", "green"),
    ("an elephant", "is", "grey"),
    ("the sea", "is", "blue"),
    ("a raven", "is", "black"),
    ("a cherry", "is", "red"),
    ("a polar bear", "is", "white"),
];

/// Words and their opposites; asked in both directions.
pub const OPPOSITES: [(&str, &str); 40] = [
    ("hot", "cold"),
    ("big", "small"),
    ("up", "down"),
    ("day", "night"),
    ("old", "young"),
    ("fast", "slow"),
    ("happy", "sad"),
    ("light", "dark"),
    ("high", "low"),
    ("open", "closed"),
    ("wet", "dry"),
    ("full", "empty"),
    ("long", "short"),
    ("loud", "quiet"),
    ("hard", "soft"),
    ("rich", "poor"),
    ("strong", "weak"),
    ("thick", "thin"),
    ("left", "right"),
    ("true", "false"),
    ("early", "late"),
    ("near", "far"),
    ("clean", "dirty"),
    ("good", "bad"),
    ("first", "last"),
    ("in", "out"),
    ("black", "white"),
    ("begin", "end"),
    ("win", "lose"),
    ("push", "pull"),
    ("north", "south"),
    ("east", "west"),
    ("sweet", "sour"),
    ("deep", "shallow"),
    ("wide", "narrow"),
    ("alive", "dead"),
    ("brave", "cowardly"),
    ("always", "never"),
    ("before", "after"),
    ("remember", "forget"),
];

/// Animals, the sound they make, their young, and where they live.
pub const ANIMALS: [(&str, &str, &str, &str); 20] = [
    ("dog", "barks", "puppy", "in a house"),
    ("cat", "meows", "kitten", "in a house"),
    ("cow", "moos", "calf", "on a farm"),
    ("sheep", "bleats", "lamb", "on a farm"),
    ("horse", "neighs", "foal", "in a stable"),
    ("duck", "quacks", "duckling", "near a pond"),
    ("lion", "roars", "cub", "in the savanna"),
    ("wolf", "howls", "pup", "in the forest"),
    ("frog", "croaks", "tadpole", "in a pond"),
    ("bee", "buzzes", "larva", "in a hive"),
    ("owl", "hoots", "owlet", "in a hollow tree"),
    ("mouse", "squeaks", "pup", "in a hole"),
    ("pig", "grunts", "piglet", "on a farm"),
    ("goat", "bleats", "kid", "in the mountains"),
    ("bear", "growls", "cub", "in a cave"),
    ("hen", "clucks", "chick", "in a coop"),
    ("snake", "hisses", "hatchling", "under a stone"),
    ("fox", "yelps", "cub", "in a den"),
    ("elephant", "trumpets", "calf", "in the savanna"),
    ("kangaroo", "grunts", "joey", "in Australia"),
];

/// The days of the week.
pub const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The months of the year.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Facts that stand alone: the ways to ask, then the answer.
pub const SINGLE: [(&[&str], &str); 30] = [
    (&["How many days are in a week?", "How many days does a week have?"], "A week has seven days."),
    (&["How many months are in a year?", "How many months does a year have?"], "A year has twelve months."),
    (&["How many hours are in a day?", "How many hours does a day have?"], "A day has 24 hours."),
    (&["How many minutes are in an hour?", "How many minutes does an hour have?"], "An hour has 60 minutes."),
    (&["How many seconds are in a minute?"], "A minute has 60 seconds."),
    (&["How many legs does a spider have?"], "A spider has eight legs."),
    (&["How many legs does an insect have?"], "An insect has six legs."),
    (&["How many legs does a horse have?"], "A horse has four legs."),
    (&["How many wheels does a bicycle have?"], "A bicycle has two wheels."),
    (&["How many wheels does a car have?"], "A car has four wheels."),
    (&["How many sides does a triangle have?"], "A triangle has three sides."),
    (&["How many sides does a square have?"], "A square has four sides."),
    (
        &["What are the four seasons?", "Which seasons are there?", "Name the seasons."],
        "The four seasons are spring, summer, autumn and winter.",
    ),
    (&["Which season is the coldest?", "What is the coldest season?"], "Winter is the coldest season."),
    (&["Which season is the warmest?", "What is the hottest season?"], "Summer is the warmest season."),
    (
        &["What is the largest planet?", "Which planet is the biggest?"],
        "Jupiter is the largest planet of our solar system.",
    ),
    (&["Which planet do we live on?", "What is our planet called?"], "We live on the planet Earth."),
    (&["What is the largest ocean?", "Which ocean is the biggest?"], "The Pacific is the largest ocean."),
    (
        &["What is the largest animal?", "Which animal is the biggest?"],
        "The blue whale is the largest animal.",
    ),
    (&["What is the tallest animal?", "Which animal is the tallest?"], "The giraffe is the tallest animal."),
    (
        &["Which animal is the fastest on land?", "What is the fastest animal?"],
        "The cheetah is the fastest animal on land.",
    ),
    (
        &["At what temperature does water freeze?", "When does water freeze?"],
        "Water freezes at zero degrees Celsius.",
    ),
    (
        &["At what temperature does water boil?", "When does water boil?"],
        "Water boils at one hundred degrees Celsius at sea level.",
    ),
    (&["What do bees make?", "What does a bee make?"], "Bees make honey."),
    (&["What is ice?", "What is ice made of?"], "Ice is frozen water."),
    (&["Why is the sky blue?"], "The air scatters blue light more than red light, so the sky looks blue."),
    (&["Where does the sun rise?", "In which direction does the sun rise?"], "The sun rises in the east."),
    (&["Where does the sun set?", "In which direction does the sun set?"], "The sun sets in the west."),
    (&["What is the moon?", "What is the Moon?"], "The Moon is a ball of rock that circles the Earth."),
    (&["What is the sun?", "What is the Sun?"], "The Sun is a star. It gives us light and warmth."),
];

/// A fact: what is asked, and the only right answer.
pub type Fact = (String, String);

/// `word` with `a` or `an` before it.
pub fn with_article(word: &str) -> String {
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {word}", if vowel { "an" } else { "a" })
}

/// `text` with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Which kinds of facts there are, for [`draw`] and for tests that want all of them.
pub const KINDS: usize = 7;

/// Any fact in any wording.
pub fn draw(random: &mut Random) -> Fact {
    match random.below(10) {
        0..3 => capital(random.below(CAPITALS.len()), random),
        3 => colour(random.below(COLOURS.len()), random),
        4 | 5 => opposite(random.below(OPPOSITES.len()), random.percent(50), random),
        6 => animal(random.below(ANIMALS.len()), random),
        7 => cycle("day", &DAYS, random),
        8 => cycle("month", &MONTHS, random),
        _ => {
            let (questions, answer) = SINGLE[random.below(SINGLE.len())];
            (random.pick(questions).to_owned(), answer.to_owned())
        }
    }
}

/// The capital of a country.
pub fn capital(index: usize, random: &mut Random) -> Fact {
    let (country, city) = CAPITALS[index];
    let question = match random.below(8) {
        0..4 => format!("What is the capital of {country}?"),
        4 => format!("What's the capital of {country}?"),
        5 => format!("Which city is the capital of {country}?"),
        6 => format!("Tell me the capital of {country}."),
        _ => format!("capital of {country}"),
    };
    (question, capital_answer(country, city))
}

/// How a capital is told.
pub fn capital_answer(country: &str, city: &str) -> String {
    format!("The capital of {country} is {city}.")
}

fn colour(index: usize, random: &mut Random) -> Fact {
    let (thing, verb, colour) = COLOURS[index];
    let word = if random.percent(25) { "color" } else { "colour" };
    (format!("What {word} {verb} {thing}?"), format!("{} {verb} {colour}.", capitalised(thing)))
}

fn opposite(index: usize, turned: bool, random: &mut Random) -> Fact {
    let (a, b) = OPPOSITES[index];
    let (a, b) = if turned { (b, a) } else { (a, b) };
    let question = match random.below(4) {
        0 | 1 => format!("What is the opposite of {a}?"),
        2 => format!("What's the opposite of {a}?"),
        _ => format!("Which word is the opposite of {a}?"),
    };
    (question, format!("The opposite of {a} is {b}."))
}

fn animal(index: usize, random: &mut Random) -> Fact {
    let (animal, sound, young, home) = ANIMALS[index];
    let one = with_article(animal);
    match random.below(4) {
        0 => (format!("What sound does {one} make?"), format!("{} {sound}.", capitalised(&one))),
        1 => (format!("What does {one} do?"), format!("{} {sound}.", capitalised(&one))),
        2 => (
            format!("What is a young {animal} called?"),
            format!("A young {animal} is called {}.", with_article(young)),
        ),
        _ => (format!("Where does {one} live?"), format!("{} lives {home}.", capitalised(&one))),
    }
}

fn cycle(kind: &str, names: &[&str], random: &mut Random) -> Fact {
    let at = random.below(names.len());
    let (here, next) = (names[at], names[(at + 1) % names.len()]);
    match random.below(4) {
        0 | 1 => (format!("What {kind} comes after {here}?"), format!("{next} comes after {here}.")),
        2 => (format!("Which {kind} comes after {here}?"), format!("{next} comes after {here}.")),
        _ => (format!("What {kind} comes before {next}?"), format!("{here} comes before {next}.")),
    }
}
