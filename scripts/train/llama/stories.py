"""Short stories from a grammar: somebody, somewhere, a problem, a helper, a good end and what it teaches."""
from dataclasses import dataclass
from random import Random

from common.grammar import expand

GIRLS = "Anna Lily Mia Rosa Nora Ella Ruby Daisy Zoe Clara Ivy Luna Hazel Emma Tilly Sara".split()
BOYS = "Tom Ben Max Leo Sam Oscar Finn Jack Theo Hugo Pip Milo Otto Felix Toby Noah".split()
ANIMALS = (
    "fox rabbit mouse bear cat dog owl hedgehog squirrel frog duck turtle pony goat lamb deer badger beaver crow "
    "wolf pig hen donkey kitten puppy elephant lion monkey penguin"
).split()
WONDERS = "dragon robot giant ghost elf fairy unicorn snowman".split()
MEN = "boy king prince wizard knight farmer baker fisherman sailor pirate".split()
WOMEN = "girl queen princess witch gardener painter".split()

TRAITS = "little small brave kind clever shy curious young cheerful quiet gentle funny friendly".split()
PLACES = {
    "the forest": "in", "a small village": "in", "a green valley": "in", "the old castle": "in", "a busy town": "in",
    "a quiet garden": "in", "a wooden house by the river": "in", "the meadow": "in", "a cosy cave": "in",
    "a tall tower": "in", "a little cottage": "in", "a snowy land": "in", "a farm": "on", "a high hill": "on",
    "a tiny island": "on", "the beach": "on", "the sea": "by", "a blue lake": "by", "an old mill": "by",
    "a big oak tree": "under", "the mountains": "in",
}
WALKS = ("the forest", "the meadow", "the hill", "the river", "the lake", "the market", "the old bridge", "the garden",
         "the beach", "the field", "the village", "the mill")
THINGS = ("red ball", "blue kite", "golden key", "silver ring", "wooden boat", "little drum", "warm scarf", "green hat",
          "shiny bell", "old map", "toy train", "yellow lantern", "music box", "picture book", "red umbrella",
          "silver spoon", "soft blanket", "glass marble")
FOODS = ("bread", "soup", "cake", "berries", "apples", "honey", "nuts", "cheese", "pancakes", "pears")
WEATHER = ("sunny", "rainy", "windy", "cloudy", "snowy", "foggy", "warm", "cold")
TIMES = ("morning", "afternoon", "evening")


@dataclass(frozen=True)
class Somebody:
    """A character: what it is called, what it is and how it is spoken of."""

    name: str
    kind: str
    female: bool


def somebody(rng: Random, kind: str | None = None, name: str | None = None, apart: "Somebody | None" = None) -> Somebody:
    """A character of this kind or name, or of any; never with the name or kind of `apart`."""
    if name is not None:
        female = name in GIRLS or (name not in BOYS and name.endswith("a"))
    elif kind in WOMEN or kind in MEN:
        female = kind in WOMEN
    else:
        female = rng.random() < 0.5
    if kind is None:
        people = WOMEN if female else MEN
        pool = rng.choices((ANIMALS, people, [people[0]], WONDERS), (60, 16, 14, 10))[0]
        kind = rng.choice([k for k in pool if apart is None or k != apart.kind] or ANIMALS[:3])
    if name is None:
        names = [n for n in (GIRLS if female else BOYS) if apart is None or n != apart.name]
        # Some friends are met more often than others: among equals, what is likeliest would be the hero's name once more.
        name = rng.choices(names, None if apart is None else [1 / (2 + i) for i in range(len(names))])[0]
    return Somebody(name, kind, female)


# How a story may begin. Each introduces the hero ({name}, a {kind}); {At} is where the hero lives.
OPENINGS = (
    "Once upon a time, there was a {trait} {kind} named {name}. [{He} lived {at}.|{name} lived {at}.]",
    "Once upon a time, there was a {trait} {kind} named {name} who lived {at}.",
    "Once upon a time, a {trait} {kind} named {name} lived {at}.",
    "Once upon a time, {at}, there lived a {trait} {kind} named {name}.",
    "Once upon a time there was a {trait} {kind} [named|called] {name}. {He} lived {at}.",
    "Once upon a time there lived a {trait} {kind} named {name} {at}.",
    "Once there was a {trait} {kind} [named|called] {name}. {He} lived {at}.",
    "There was once a {trait} {kind} [named|called] {name} who lived {at}.",
    "There was a {trait} {kind} named {name}. {He} lived {at}.",
    "Long ago, a {trait} {kind} named {name} lived {at}.",
    "A long time ago, there lived a {trait} {kind} named {name} {at}.",
    "{At} lived a {trait} {kind} named {name}.",
    "{At}, there lived a {trait} {kind} named {name}.",
    "Far away, {at}, there was a {trait} {kind} named {name}.",
    "Far, far away lived a {trait} {kind} called {name}. {His} home was {at}.",
    "Not long ago, a {trait} {kind} called {name} lived {at}.",
    "{name} was a {trait} {kind} who lived {at}.",
    "{name} the {kind} lived {at}. {He} was very {quality}.",
    "{name} was a {trait} {kind}. {He} lived {at}.",
    "A {trait} {kind} named {name} lived {at}.",
    "The {trait} {kind} was called {name}. {He} lived {at}.",
    "This is the story of {name}, a {trait} {kind} who lived {at}.",
    "Every morning, a {trait} {kind} named {name} looked out of the window. {He} lived {at}.",
    "It was a {weather} {time}. A {trait} {kind} named {name} sat {at}.",
    "One day, a {trait} {kind} named {name} woke up early. {He} lived {at}.",
    "One {weather} {time}, a {trait} {kind} named {name} was at home {at}.",
    "On a {weather} {time}, a {trait} {kind} named {name} was sitting {at}.",
    "Last [winter|summer|spring|autumn], a {trait} {kind} named {name} lived {at}.",
    "Nobody was as {quality} as {name}, the {trait} {kind}. {He} lived {at}.",
    "Do you know {name}? {name} was a {trait} {kind} who lived {at}.",
    "My friend {name} was a {trait} {kind}. {He} lived {at}.",
    "When the sun came up, a {trait} {kind} named {name} was already awake. {He} lived {at}.",
    "The {kind} {name} lived {at}. {He} was very {quality}.",
    "{name} lived {at}. {He} was a {trait} {kind}.",
)
# As above, with two heroes.
PAIR_OPENINGS = (
    "{name} and {friend} were best friends. {name} was a {trait} {kind}, and {friend} was a {ftrait} {fkind}. They lived {at}.",
    "Once upon a time, there were two friends, {name} the {kind} and {friend} the {fkind}. They lived {at}.",
    "{name} the {kind} and {friend} the {fkind} lived {at}. They were [good|the best of] friends.",
    "Two friends, a {kind} named {name} and a {fkind} named {friend}, lived {at}.",
)
# How the day of the story begins.
DAYS = (
    "One {weather} {time}, {he} [went for a walk to|walked to|set out for] {walk}.",
    "One day, {he} [went to|walked to|wanted to see] {walk}.",
    "One {time}, {name} [went for a walk to|ran to|took a basket and went to] {walk}.",
    "It was a {weather} day, and {name} [went out to play near|took a walk to|was on the way to] {walk}.",
    "One {weather} day, {name} [decided to visit|went out to see|walked to] {walk}.",
)
MEETINGS = (
    "[Just then|Soon|After a while], {friend} the {fkind} came [along|by].",
    "[Then|At that moment], {he} met {friend}, a {ftrait} {fkind}.",
    "Along came a {fkind} named {friend}.",
    "A {ftrait} {fkind} named {friend} heard {him} and came to see what was wrong.",
)
REUNIONS = (
    "[Just then|Soon|After a while], {friend} came [along|by].",
    "[Then|At that moment], {he} met {friend}.",
    "{friend} heard {him} and came to see what was wrong.",
)
# A plot: a line a scene, with its problem, its turn and its end. DAY stands for one of DAYS, MEET for one of MEETINGS.
PLOTS = (
    (  # something is lost
        "DAY {He} had {his} {thing} with {him}, because {he} [loved it more than anything|never went anywhere without it|had got it from {his} grandmother].",
        "[But on the way|When {he} got home|After an hour], {he} saw that the {noun} was gone! {name} looked [under every stone|behind every tree|everywhere], but {he} could not find it. {He} [began to cry|felt very sad|sat down and did not know what to do].",
        "MEET \"[Why are you so sad|What is the matter|What happened]?\" [asked {friend}|{friend} asked]. \"I have lost my {thing},\" said {name}. \"[Do not worry|Do not be sad|Cheer up]. [I will help you look for it|We will find it together|Four eyes see more than two],\" said {friend}.",
        "They searched [high and low|all day long|until the sun went down]. [At last|In the end|Finally], {friend} found the {noun} [in the tall grass|behind a rock|under a bush|in a bird's nest]. {name} was so happy that {he} [hugged {friend}|danced around|laughed out loud].",
    ),
    (  # somebody is stuck
        "DAY [Suddenly|There|On the way], {he} heard a small voice. \"[Help! Help me, please!|Help! Is anybody there?|Please, somebody help!]\" {He} looked around and saw {thefriend}, who was stuck [in the mud|in a deep hole|between two rocks|under a fallen branch].",
        "\"[Hold on|Do not be afraid|Wait for me]!\" [called {name}|said {name}]. {He} [pulled and pulled|pulled as hard as {he} could], but {friend} did not move.",
        "Then {name} had an idea. {He} [found a long rope|took a strong stick|called all the animals nearby], and together they tried again. One, two, three, and {friend} was free!",
        "\"Thank you, {name}! [You are a true friend|You saved me|I will never forget this],\" said {friend}. [From that day on, they were best friends|They went home together and ate {food}|{friend} gave {him} the {thing} as a present].",
    ),
    (  # bad weather and a shelter
        "DAY [Suddenly|Soon|All at once], dark clouds [came over the hills|filled the sky], and it began to [rain|snow|hail]. {name} was far from home, and {he} was [cold and wet|wet and tired|cold and a little afraid].",
        "[Then {he} saw|At last {he} saw|In the distance {he} saw] a small light. It came from the house of {afriend}. {name} knocked on the door.",
        "\"Come in, come in!\" said {friend}. \"[Sit by the fire|Take this warm blanket|Dry your feet]. There is enough {food} for both of us.\" They ate together and told each other stories [all night|until the storm was over|until late].",
        "[In the morning|The next day|When the storm was over], the sun was shining again. \"Thank you for [your help|the lovely evening|letting me stay],\" said {name}. \"[Come to see me|Visit me] soon!\"",
    ),
    (  # afraid of something
        "{name} had a secret. {He} was afraid of [the dark|deep water|thunder|high places]. {His} friends [went swimming and climbing|played outside until late], but {name} always stayed at home.",
        "MEET \"[Why do you not play with us|Why do you never come with us|Do you want to come along]?\" [asked {friend}|{friend} asked]. \"I am too afraid,\" [said {name} in a small voice|{name} said].",
        "\"[Everybody is afraid of something|I was afraid once, too|Being afraid is not bad],\" said {friend}. \"[Take my hand|Stay close to me], and we will try it step by step.\" {name} took a deep breath. [First one step, then another|Slowly, {he} walked on], and nothing bad happened.",
        "\"I did it!\" cried {name}. {He} was [so proud|very proud|happy and proud]. [That night, {he} slept better than ever|After that, {he} was not afraid any more|From then on, {he} played with the others every day].",
    ),
    (  # food is shared
        "DAY {He} was very hungry, [but there was no food at home|for {he} had not eaten all day]. [In {his} bag there was only|All {he} had left was] a small piece of bread.",
        "On the way {he} met {afriend}, who looked [thin and tired|sad and hungry]. \"Please, could you give me something to eat?\" [asked {friend}|{friend} asked].",
        "{name} [thought for a moment|looked at the bread]. Then {he} [broke it in two and gave one half|cut it in two and gave the bigger part] to {friend}. \"Here you are,\" {he} said. \"[It is not much, but we can share it|Now we both have something to eat].\"",
        "{friend} smiled. \"You have a good heart,\" said {friend}, and showed {him} [a secret place full of|a hidden basket full of|a big table with] {food}. {name} could hardly believe {his} eyes. They ate until they were full.",
    ),
    (  # a race
        "One {weather} {time}, there was a big race [to the old mill|around the lake|up the hill|through the forest]. {thefriend} was [the fastest of all|very fast], and everybody thought that {friend} would win.",
        "\"You are much too slow,\" said {friend} and laughed. But {name} wanted to try. \"Ready, steady, go!\" [called the judge|shouted the crowd], and they all began to run.",
        "Halfway there, {friend} [fell over a root|slipped on a wet stone|stepped on a thorn] and could not get up. {name} [could have run on, but {he} stopped|did not think of the race any more and stopped]. \"[Lean on me|Give me your hand],\" {he} said. \"We will go together.\"",
        "Side by side, they [came to the end|reached the finish]. They were the last, but everybody [clapped and cheered|cheered for them]. \"I am sorry that I laughed at you,\" said {friend}. \"[You are the real winner|You are a good friend].\" {name} got the {thing} as a prize.",
    ),
    (  # something is broken
        "DAY But [the little bridge was broken|the storm had broken the old bridge|the bridge had fallen into the water], and nobody could get to the other side. {name} [wanted to mend it|wanted to help], but the boards were too heavy for {him}.",
        "MEET \"[What are you doing|Can I help you|Is it hard]?\" [asked {friend}|{friend} asked]. \"I want to mend the bridge, but I cannot do it alone,\" said {name}. \"Then we will do it together,\" said {friend}.",
        "{name} [held the boards|carried the nails], and {friend} [used the hammer|tied the ropes]. [They worked all day|They worked until the evening|It took them three days], and then the bridge was [as good as new|stronger than before].",
        "[The whole village was happy|All the animals came to see it|Everybody came to thank them]. They [had a big party with|celebrated with|sat down together and ate] {food}, and {name} [played a song|sang loudest of all|danced until the moon came up].",
    ),
    (  # a strange noise
        "[One night|Late one evening|One {weather} night], {name} heard a strange sound. [Tap, tap, tap|Scratch, scratch|Hoo, hoo], it went. \"[What could that be|Who is there|Is it a monster]?\" {he} thought, and {his} heart beat fast.",
        "{He} [took {his} lantern|lit a candle|put on {his} coat] and went to look. The sound came from [behind the door|under the stairs|the old shed]. {name} was afraid, but {he} [opened the door|looked inside] all the same.",
        "It was not a monster at all! It was {afriend}. \"[I am sorry that I woke you|Please do not be angry],\" said {friend}. \"I [have lost my way|could not find my home|was cold and looked for a warm place].\"",
        "\"You can stay with me tonight,\" said {name}. {He} gave {friend} some {food} and a [soft|warm] bed. [In the morning|The next day], they laughed about it, [and soon they were good friends|and they spent the whole day together].",
    ),
    (  # a birthday
        "[One day|One {weather} day], it was {his} birthday, but nobody [said a word about it|seemed to know]. {name} [waited and waited|looked out of the window again and again], but no one came. \"They have all forgotten me,\" {he} thought [and sighed|sadly].",
        "In the afternoon, {thefriend} knocked on the door. \"Please come with me. I need your help [in the garden|at my house],\" said {friend}. {name} did not feel like it, but {he} wanted to be a good friend and went along.",
        "\"Surprise!\" There were all {his} friends, with [lights and flowers|balloons and music], and on the table there was a big cake. \"Happy birthday, {name}!\" they shouted.",
        "{friend} gave {him} the most beautiful {thing}. \"We have been planning this for weeks,\" said {friend}. {name} had [never been so happy|tears of joy in {his} eyes]. They [danced and sang|played games and laughed] until the stars came out.",
    ),
    (  # a seed
        "DAY There {he} found a tiny seed. \"[I will plant you|I wonder what you will become],\" said {name}. {He} [dug a small hole|made a hole in the ground], put the seed in and gave it some water.",
        "{name} waited one day, then two, then three, but nothing happened. \"It is not growing at all!\" {he} said [sadly|and stamped {his} foot].",
        "MEET \"[Good things take time|You have to be patient|Wait a little longer],\" said {friend}. \"[Give it water every day|Let the sun and the rain do their work].\" So {name} [gave it water every day|came back every morning] and did not give up.",
        "One morning, there was [a green leaf|a little green plant]. It grew and grew, [until it was a tall tree full of {fruit}|until it was a tree with the sweetest {fruit}]. {name} and {friend} sat in its shade and ate {fruit} together.",
    ),
    (  # lost on the way
        "DAY {He} [walked and walked|followed a butterfly|looked at all the flowers], and [soon|before long] {he} did not know the way any more. All the trees looked the same, and it was getting dark.",
        "\"[How will I get home|Which way is home]?\" said {name}. {He} [sat down on a stone|looked up at the sky] and [tried not to cry|felt very small].",
        "MEET \"[Are you lost|Can I help you]?\" [asked {friend}|{friend} asked]. \"Yes, I cannot find the way home,\" said {name}. \"[Follow the bright star|Follow the river|Come with me]. [I know every path here|It is not far],\" said {friend}.",
        "They [talked and laughed on the way|walked side by side], and soon {name} saw [the lights of {his} home|{his} own front door]. \"Thank you, {friend}! Without you I would still be lost.\" They [shared some|ate warm] {food}, and {friend} stayed for the night.",
    ),
    (  # the truth
        "One {weather} {time}, {name} was playing [at the house of|with] {afriend}. {friend} had a {thing} that was very [old and dear to {fhim}|special]. \"Please be careful with it,\" said {friend}.",
        "But [when nobody was looking|when {name} picked it up], it fell to the floor and broke. {name} [was frightened|turned pale]. [Should {he} hide it|Should {he} run away]? {He} thought about it for a long time.",
        "Then {he} went to {friend}. \"I broke your {noun},\" {he} said. \"I am [very|so] sorry.\" {friend} was [quiet for a moment|sad at first]. \"Thank you for telling me the truth,\" {fhe} said then. \"[Come, let us mend it together|We can mend it together].\"",
        "They [worked|sat together] all afternoon, and in the end the {noun} [looked almost like new|was even more beautiful than before]. {name} felt [light and happy|much better].",
    ),
    (  # a wish
        "DAY There {he} found a small golden lamp. {He} rubbed it, and out came a voice. \"You have one wish,\" it said. \"[What do you want most?|Choose well!]\"",
        "{name} thought of [a mountain of {food}|a new {noun}|a chest full of gold]. But then {he} saw {afriend}, who was [sick and in bed|too weak to walk|sad and all alone].",
        "\"I wish that {friend} may be well and happy again,\" said {name}. The lamp [shone like the sun|glowed bright and warm], and then it was gone.",
        "[The next moment|A moment later], {friend} [jumped up|began to laugh]. \"I feel [wonderful|so much better]!\" {fhe} cried. {name} had no [gold|lamp] any more, but {he} had a friend, and that was [worth much more|better than any treasure].",
    ),
)
MORALS = (
    "{name} had learned that [a good friend is worth more than gold|it is good to help others|kindness always comes back|together everything is easier].",
    "[And so|That day], {name} learned that [even the smallest can help|it pays to be kind|nobody has to do everything alone|sharing makes everybody happy].",
    "From that day on, {name} and {friend} [were the best of friends|met every day|helped each other whenever they could].",
    "And they all lived happily ever after.",
    "And if you go there today, you may still see {name} and {friend} [laughing together|playing in the sun|sitting side by side].",
    "That night, {name} [fell asleep with a smile|went to bed tired but happy|dreamed of new adventures].",
    "{name} never forgot that day.",
    "It was the best day of {his} life.",
)


def pronouns(who: Somebody, prefix: str) -> dict[str, str]:
    he, him, his = ("she", "her", "her") if who.female else ("he", "him", "his")
    return {f"{prefix}he": he, f"{prefix}him": him, f"{prefix}his": his}


def story(rng: Random, *, kind: str | None = None, name: str | None = None, thing: str | None = None,
          place: str | None = None) -> str:
    """One story, about what is given and otherwise about anybody, anything and anywhere."""
    hero = somebody(rng, kind, name)
    friend = somebody(rng, apart=hero)
    thing = thing or rng.choice(THINGS)
    place = place or rng.choice(list(PLACES))
    is_pair = rng.random() < 0.12
    at = f"{PLACES[place]} {place}"
    he = pronouns(hero, "")
    slots = {
        **he, **pronouns(friend, "f"),
        "afriend": f"{he['his']} friend {friend.name}" if is_pair else f"{friend.name}, a {{ftrait}} {friend.kind}",
        "thefriend": friend.name if is_pair else f"{friend.name} the {friend.kind}",
        "He": he["he"].capitalize(), "His": he["his"].capitalize(), "at": at, "At": at[0].upper() + at[1:],
        "name": hero.name, "kind": hero.kind, "friend": friend.name, "fkind": friend.kind,
        "thing": thing, "noun": thing.split()[-1], "walk": rng.choice([w for w in WALKS if w not in at]),
        "trait": rng.choice(TRAITS), "ftrait": rng.choice(TRAITS + ["old", "wise"]),
        "quality": rng.choice(("kind", "brave", "clever", "curious", "cheerful", "friendly")),
        "food": rng.choice(FOODS), "fruit": rng.choice(("apples", "pears", "plums", "cherries")),
        "weather": rng.choice(WEATHER), "time": rng.choice(TIMES),
    }
    beginning = rng.choice(PAIR_OPENINGS if is_pair else OPENINGS)
    lines = [beginning, *rng.choice(PLOTS), *([rng.choice(MORALS)] if rng.random() < 0.75 else [])]
    day = rng.choice(DAYS)
    if is_pair:  # "he" could be either of them
        day = day.replace("{he}", "{name}")
    text = " ".join(lines).replace("DAY", day).replace("MEET", rng.choice(REUNIONS if is_pair else MEETINGS))
    return expand(text, slots, rng)
