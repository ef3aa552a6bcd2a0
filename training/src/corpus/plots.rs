//! The plots of the stories: rows of sentences, each in several wordings. `{slots}` are filled by the cast.

/// The wordings of one sentence.
type Wordings = &'static [&'static str];

/// How every story begins.
pub const OPENINGS: [&str; 4] = [
    "Once upon a time there was {a hero} called {name}, who lived {place}.",
    "Once upon a time {a hero} called {name} lived {place}.",
    "There was once {a hero} called {name}, who lived {place}.",
    "{Place} there lived {a hero} called {name}.",
];

/// How every story ends.
pub const ENDINGS: [&str; 6] = [
    "From that day on they were the best of friends.",
    "And they both lived happily ever after.",
    "That night {name} slept very well.",
    "{name} never forgot that day.",
    "And when the moon came up, everybody was happy.",
    "Since then {name} and {Fname} have met every day.",
];

/// What happens in between.
pub const PLOTS: [&[Wordings]; 8] = [
    // Something is lost and found.
    &[
        &[
            "One {weather} morning {name} could not find {her own} {thing}.",
            "On {a weather} day {name} lost {her own} {thing}.",
            "One day the {thing} of {name} was gone.",
        ],
        &[
            "{She} looked under the bed and behind the door, but it was not there.",
            "{She} searched the whole house, but found nothing.",
            "{She} looked everywhere and grew very sad.",
        ],
        &[
            "Then {a friend} called {Fname} came by and asked what was wrong.",
            "Just then {a friend} called {Fname} knocked at the door.",
            "On the road {she} met {a friend} called {Fname}.",
        ],
        &[
            "\"I have lost my {thing},\" said {name}.",
            "\"My {thing} is gone,\" said {name}, \"and I do not know where it is.\"",
        ],
        &[
            "\"Let us look together,\" said {Fname}.",
            "\"Four eyes see more than two,\" said {Fname}.",
            "\"Do not worry, I will help you,\" said {Fname}.",
        ],
        &[
            "They searched until the evening, and at last they found the {thing} in the grass.",
            "Together they followed the path, and there lay the {thing} under a leaf.",
            "After an hour {Fname} saw the {thing} at the bottom of the well, and they pulled it out.",
        ],
        &[
            "{name} was so glad that {she} gave {Fname} some {food}.",
            "To say thank you, {name} shared {her own} {food} with {Fname}.",
        ],
    ],
    // A storm, and a shelter.
    &[
        &[
            "One night a great storm came.",
            "One {weather} evening the wind began to blow, and dark clouds came.",
            "In the autumn a storm broke over the land.",
        ],
        &[
            "The rain fell so hard that the river rose.",
            "The wind broke the trees, and the rain did not stop.",
            "Thunder rolled over the hills.",
        ],
        &[
            "{name} heard somebody cry outside.",
            "Then {name} heard a small voice at the door.",
            "Suddenly there was a knock at the door.",
        ],
        &[
            "It was {a friend} called {Fname}, wet and cold.",
            "Outside stood {a friend} called {Fname}, who had lost the way.",
        ],
        &["\"Please let me in,\" said {Fname}.", "\"May I stay here tonight?\" asked {Fname}."],
        &[
            "\"Come in and sit by the fire,\" said {name}.",
            "\"Of course,\" said {name}, \"there is room for two.\"",
        ],
        &["They ate warm {food} and told each other stories.", "{name} brought {food} and a dry blanket."],
        &["In the morning the sun was shining again.", "When they woke up, the storm was over."],
    ],
    // Learning something.
    &[
        &[
            "{name} wanted to learn to swim, but {she} was afraid of the water.",
            "{name} could not swim, and the others laughed at {her}.",
            "More than anything, {name} wished to swim like the others.",
        ],
        &[
            "Every day {she} sat by the lake and watched.",
            "{She} went to the water each morning, and each morning {she} went home again.",
        ],
        &[
            "One {weather} day {a friend} called {Fname} sat down beside {her}.",
            "Then {a friend} called {Fname} came along and saw {her}.",
        ],
        &[
            "\"I was afraid too,\" said {Fname}, \"but one small step a day is enough.\"",
            "\"Nobody can do it on the first day,\" said {Fname}.",
        ],
        &[
            "So {name} put one foot into the water, and the next day both.",
            "So they practised together, a little more each day.",
        ],
        &[
            "After a week {she} could float, and after a month {she} could swim.",
            "When the summer ended, {name} swam across the whole lake.",
        ],
        &[
            "\"You see,\" said {Fname}, \"you were braver than you thought.\"",
            "Everybody cheered, and {Fname} cheered the loudest.",
        ],
    ],
    // A race, and kindness.
    &[
        &[
            "Every year there was a great race through the valley.",
            "One day the king called all to a race, and the prize was {a thing}.",
            "One {weather} day a race was held, and the prize was {a thing}.",
        ],
        &[
            "{name} was not fast, but {she} wanted to try.",
            "{name} had practised all winter.",
            "Nobody thought that {name} could win.",
        ],
        &[
            "{She} ran as fast as {she} could, and soon {she} was ahead.",
            "The race began, and everybody ran.",
        ],
        &[
            "Then {she} saw {a friend} called {Fname}, who had fallen into a ditch.",
            "On the way {she} heard a cry: {a friend} called {Fname} was stuck in the mud.",
        ],
        &["The others ran on, but {name} stopped.", "{name} thought of the prize, but {she} did not run on."],
        &[
            "{She} gave {Fname} a hand and pulled {fher} out.",
            "{She} found a long branch and pulled {Fname} out.",
        ],
        &[
            "They came in last, hand in hand, and the people cheered for them most.",
            "They reached the end together, and the king gave the {thing} to both.",
        ],
        &[
            "\"You lost the race,\" said {Fname}, \"but you won a friend.\"",
            "\"It is better to be kind than to be first,\" said {name}.",
        ],
    ],
    // A map and a treasure.
    &[
        &[
            "One {weather} morning {name} found an old map in {a thing}.",
            "One day {she} found an old map behind the wall.",
            "On {a weather} day the wind blew an old map to {her own} feet.",
        ],
        &["On it there was a cross in the middle of the forest.", "The map showed a path to a treasure."],
        &[
            "{She} asked {a friend} called {Fname} to come along.",
            "{She} could not read it, but {a friend} called {Fname} could.",
        ],
        &[
            "They walked for three days, over hills and through dark woods.",
            "They crossed the river and climbed the high rocks.",
        ],
        &[
            "Sometimes they were tired, but then they sang a song.",
            "When it grew dark, they made a fire and ate {food}.",
        ],
        &["At last they came to the place, and began to dig.", "Under an old tree they found a heavy chest."],
        &[
            "There was no gold in it, only {a thing} and a note.",
            "They opened it, and inside lay {a thing} and a letter.",
        ],
        &[
            "\"The treasure is the way that you went together,\" it said.",
            "It said: \"Whoever finds this has already found a friend.\"",
        ],
    ],
    // Sharing food.
    &[
        &["One winter there was little to eat.", "The winter was long, and the snow was deep."],
        &[
            "{name} had stored {food} in the cellar, enough for one.",
            "{name} had only a small basket of {food} left.",
        ],
        &[
            "Then {a friend} called {Fname} came by, thin and tired.",
            "One {weather} day {a friend} called {Fname} stood at the window.",
        ],
        &[
            "\"I have had nothing to eat for two days,\" said {Fname}.",
            "\"Do you have a little {food} for me?\" asked {Fname}.",
        ],
        &[
            "{name} thought for a moment and then opened the door.",
            "{name} looked at the {food}, and then at {Fname}.",
        ],
        &["\"What is enough for one is enough for two,\" said {name}.", "\"Take half of it,\" said {name}."],
        &[
            "In the spring {Fname} came back with a whole sack of {food}.",
            "When spring came, {Fname} brought more {food} than they could eat.",
        ],
    ],
    // A machine that is broken.
    &[
        &[
            "{name} had built {a thing} that everybody admired.",
            "In the middle of the village stood {a thing}, and {name} took care of it.",
        ],
        &["But one {weather} day it broke.", "But one morning it did not work any more."],
        &[
            "{name} tried to mend it alone, all day and all night.",
            "{She} took it apart, and could not put it together again.",
        ],
        &[
            "\"It is too heavy for one,\" said {a friend} called {Fname}.",
            "Then {a friend} called {Fname} looked in and laughed: \"You have only two hands!\"",
        ],
        &[
            "So {Fname} held the left side, and {name} held the right.",
            "So each took the part that was easy to carry.",
        ],
        &["Piece by piece they put the {thing} together.", "They worked side by side until the evening."],
        &[
            "At last it was as good as new.",
            "When the stars came out, the {thing} worked better than before.",
        ],
        &["\"Together we are strong,\" said {name}.", "\"Next time I will ask at once,\" said {name}."],
    ],
    // Far from home.
    &[
        &[
            "One {weather} day {name} went for a walk and lost the way.",
            "{name} had followed a butterfly, and now {she} was far from home.",
            "One day {name} walked farther than ever before.",
        ],
        &["The trees looked all the same.", "It grew dark, and the owls began to call."],
        &["\"Is anybody there?\" called {name}.", "{name} sat down on a stone and cried a little."],
        &[
            "Out of the bushes came {a friend} called {Fname} with {a thing}.",
            "Then {she} saw a light: it was {a friend} called {Fname}, who carried {a thing}.",
        ],
        &[
            "\"I know this forest well,\" said {Fname}. \"Where do you live?\"",
            "\"Do not be afraid,\" said {Fname}. \"Where is your home?\"",
        ],
        &["\"I live {place},\" said {name}.", "\"My home is {place},\" said {name}."],
        &[
            "They walked through the night, and {Fname} knew every path.",
            "{Fname} went ahead, and {name} held {her own} breath at every sound.",
        ],
        &["When the sun rose, they stood at the door.", "In the early morning they saw the house."],
        &[
            "{name} made a breakfast of {food} for both of them.",
            "\"Stay and eat some {food} with me,\" said {name}.",
        ],
    ],
];
