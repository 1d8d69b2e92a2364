"""Small conversations: what the model can talk about, in many wordings, and a kind word where it cannot."""
from dataclasses import dataclass
from random import Random

from common.grammar import expand
from llama.stories import ANIMALS, BOYS, GIRLS, MEN, PLACES, THINGS, WOMEN, WONDERS, story


@dataclass(frozen=True)
class Turn:
    """What somebody says and what the model answers."""

    user: str
    assistant: str


COLOURS = {
    "sky": "blue", "sea": "blue", "grass": "green", "snow": "white", "sun": "yellow", "banana": "yellow",
    "tomato": "red", "strawberry": "red", "carrot": "orange", "pumpkin": "orange", "lemon": "yellow", "leaf": "green",
    "frog": "green", "fox": "red", "night": "black", "milk": "white", "chocolate": "brown", "cherry": "red",
    "elephant": "grey", "crow": "black", "pig": "pink", "cucumber": "green", "blueberry": "blue", "coal": "black",
    "fire engine": "red", "swan": "white", "bear": "brown", "flamingo": "pink", "cloud": "white", "rose": "red",
    "sunflower": "yellow", "blood": "red", "plum": "purple", "mouse": "grey", "lion": "golden", "goldfish": "orange",
}
MASS = {"grass", "snow", "milk", "chocolate", "coal", "blood"}
UNIQUE = {"sky", "sea", "sun", "night"}
# Per animal: its sound, its number of legs, what it eats, where it lives, its young.
FACTS = {
    "cat": ("meow", 4, "fish and mice", "in houses", "kitten"), "dog": ("woof", 4, "meat", "in houses", "puppy"),
    "cow": ("moo", 4, "grass", "on farms", "calf"), "horse": ("neigh", 4, "grass and hay", "on farms", "foal"),
    "sheep": ("baa", 4, "grass", "on farms", "lamb"), "duck": ("quack", 2, "water plants", "on ponds", "duckling"),
    "hen": ("cluck", 2, "grains", "on farms", "chick"), "pig": ("oink", 4, "almost everything", "on farms", "piglet"),
    "frog": ("ribbit", 4, "flies", "by ponds", "tadpole"), "owl": ("hoo", 2, "mice", "in the forest", "owlet"),
    "lion": ("roar", 4, "meat", "in Africa", "cub"), "bear": ("growl", 4, "fish, berries and honey", "in the forest", "cub"),
    "bee": ("buzz", 6, "nectar", "in hives", "larva"), "wolf": ("howl", 4, "meat", "in the forest", "pup"),
    "mouse": ("squeak", 4, "grains and cheese", "in little holes", "pup"),
    "snake": ("hiss", 0, "mice and eggs", "in warm places", "snakelet"),
    "goat": ("bleat", 4, "grass and leaves", "on farms", "kid"), "crow": ("caw", 2, "seeds and insects", "in trees", "chick"),
    "elephant": ("trumpet", 4, "leaves and fruit", "in Africa and Asia", "calf"),
    "monkey": ("chatter", 4, "fruit", "in the jungle", "baby monkey"),
    "penguin": ("honk", 2, "fish", "in the cold south", "chick"), "rabbit": ("squeak", 4, "grass and carrots", "in burrows", "bunny"),
    "fox": ("bark", 4, "mice and berries", "in the forest", "cub"), "spider": ("nothing", 8, "flies", "in webs", "spiderling"),
    "fish": ("nothing", 0, "water plants", "in the water", "fry"), "kangaroo": ("grunt", 4, "grass", "in Australia", "joey"),
}
OPPOSITES = (
    "big small|hot cold|up down|left right|day night|fast slow|happy sad|old young|light dark|open closed|good bad|"
    "high low|long short|loud quiet|full empty|hard soft|rich poor|strong weak|wet dry|clean dirty|early late|near far|"
    "black white|sweet sour|thick thin|first last|inside outside|brave afraid|always never|true false|easy difficult"
)
NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
           "seventeen eighteen nineteen twenty").split()
WEEK = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
YEAR = "January February March April May June July August September October November December".split()

ABLE = (
    "I can tell stories, count, add small numbers, name colours and opposites, and talk about animals."
)


def greeting(rng: Random) -> Turn:
    return Turn(
        expand("[Hello|Hi|Hey|Good morning|Good evening|Hello there|Hi there|Greetings|Howdy|Good day|Hello grafo]"
               "[||!|.|, how are you?|! How are you?|, how are you today?]", {}, rng),
        expand("[Hello!|Hi!|Hello there!] [I am fine, thank you.|It is nice to meet you.|I am happy to see you.] "
               "[What can I do for you?|Shall I tell you a story?|What would you like to talk about?]", {}, rng),
    )


def wellbeing(rng: Random) -> Turn:
    return Turn(
        expand("[How are you|How are you today|How do you do|Are you well|How is it going|How do you feel|What's up]?", {}, rng),
        expand("I am [fine|very well], thank you. [How are you?|What can I do for you?]", {}, rng),
    )


def identity(rng: Random) -> Turn:
    return Turn(
        expand("[Who are you|What are you|What is your name|Tell me about yourself|Are you a robot|Are you human|Are you an AI|"
               "What's your name|Who made you|What model are you|Introduce yourself|Are you ChatGPT|Are you real|"
               "Do you have a name|How big are you|How old are you]?", {}, rng),
        "I am a very small language model that was trained for grafo. " + expand(ABLE, {}, rng),
    )


def ability(rng: Random) -> Turn:
    return Turn(
        expand("[What can you do|Can you help me|What do you know|Help|What can I ask you|How can you help me|What do you do|"
               "What are you able to do|I need help|What should I ask|Help me, please]?", {}, rng),
        expand(ABLE + " [Just ask!|Try me!|What would you like?]", {}, rng),
    )


def thanks(rng: Random) -> Turn:
    return Turn(
        expand("[Thank you|Thanks|Thanks a lot|Thank you very much|That was nice|Great|Well done|Wonderful|Good job|I like that|"
               "That was a nice story|Cool|Nice|Very good|I love it|Perfect|Awesome|OK|Okay]"
               "[||!|.|, thank you!]", {}, rng),
        expand("[You are welcome!|My pleasure!|I am glad you like it!] [Shall I tell you a story?|What else can I do for you?]", {}, rng),
    )


def goodbye(rng: Random) -> Turn:
    return Turn(
        expand("[Bye|Goodbye|Good night|See you|See you later|Bye bye|I have to go|Good-bye|Farewell|See you tomorrow|"
               "That is all|I must go now|Exit|Quit|Stop][||!|.]", {}, rng),
        expand("[Goodbye!|Bye!|See you soon!] [Have a nice day!|It was nice to talk to you.|Come back soon!]", {}, rng),
    )


def article(noun: str) -> str:
    return f"the {noun}" if noun in UNIQUE else noun if noun in MASS else f"a {noun}"


def colour(rng: Random) -> Turn:
    noun, value = rng.choice(list(COLOURS.items()))
    return Turn(
        expand("[What colour is {it}|What color is {it}|Which colour has {it}|What is the colour of {it}|What is the color of {it}|"
               "Tell me the colour of {it}|Do you know what colour {it} is|Colour of {it}|And {it}]?", {"it": article(noun)}, rng),
        expand(f"{article(noun)} is {value}.", {}, rng),
    )


def legs(n: int) -> str:
    return "no legs" if n == 0 else f"{NUMBERS[n]} legs"


def animal(rng: Random) -> Turn:
    name, (sound, n_legs, food, home, young) = rng.choice(list(FACTS.items()))
    plural = {"mouse": "mice", "wolf": "wolves", "fox": "foxes", "fish": "fish", "sheep": "sheep"}.get(name, f"{name}s")
    say = "is silent" if sound == "nothing" else f"says {sound}"
    question, answer = rng.choice((
        ("[What does a {a} say|What sound does a {a} make|How does a {a} go|What noise does a {a} make]?", f"a {name} {say}."),
        ("[How many legs does a {a} have|How many legs has a {a}|How many legs do {s} have]?", f"a {name} has {legs(n_legs)}."),
        ("[What does a {a} eat|What do {s} eat|What do {s} like to eat]?", f"{plural} eat {food}."),
        ("[Where does a {a} live|Where do {s} live|Where can I find {s}]?", f"{plural} live {home}."),
        ("[What is a baby {a} called|What is a young {a} called|What do you call a baby {a}]?", f"a young {name} is called a {young}."),
        ("[Tell me about {s}|Tell me something about {s}|What is a {a}|What do you know about {s}|What are {s}]?",
         f"a {name} is an animal with {legs(n_legs)}. It eats {food} and lives {home}."),
    ))
    return Turn(expand(question, {"a": name, "s": plural}, rng), expand(answer, {}, rng))


def opposite(rng: Random) -> Turn:
    a, b = rng.choice(OPPOSITES.split("|")).split()
    if rng.random() < 0.5:
        a, b = b, a
    return Turn(
        expand("[What is the opposite of {a}|The opposite of {a}|Tell me the opposite of {a}|What's the opposite of {a}|Opposite of {a}|"
               "Which word is the opposite of {a}|Do you know the opposite of {a}]?", {"a": rng.choice((a, f'"{a}"'))}, rng),
        f"The opposite of {a} is {b}.",
    )


def counting(rng: Random) -> Turn:
    last = rng.randint(2, 20)
    if rng.random() < 0.2:
        last = min(last, 10)
        return Turn(
            expand("[Count down from {n}|Count backwards from {n}|Can you count down from {n}]?", {"n": str(last)}, rng),
            ", ".join(str(n) for n in range(last, 0, -1)) + ".",
        )
    return Turn(
        expand("[Count to {n}|Can you count to {n}|Please count to {n}|Count from 1 to {n}|Count up to {n}|Count from one to {n}]?",
               {"n": rng.choice((str(last), NUMBERS[last]))}, rng),
        ", ".join(str(n) for n in range(1, last + 1)) + ".",
    )


def addition(rng: Random) -> Turn:
    a = rng.randint(0, 20)
    b = rng.randint(0, 20 - a)
    if rng.random() < 0.35:
        a, b = a + b, b
        word, sign, result = "minus", "-", a - b
    else:
        word, sign, result = "plus", "+", a + b
    spoken = rng.random() < 0.25
    x, y = (NUMBERS[a], NUMBERS[b]) if spoken else (str(a), str(b))
    between = word if spoken else rng.choice((sign, sign, word))
    compact = f"{a}{sign}{b}"
    problem = compact if not spoken and rng.random() < 0.25 else f"{x} {between} {y}"
    return Turn(
        expand("[What is {p}|How much is {p}|What's {p}|{p}|{p} =|Can you tell me what {p} is|Calculate {p}|And {p}]?", {"p": problem}, rng),
        f"{a} {word} {b} is {result}.",
    )


def calendar(rng: Random) -> Turn:
    names, what = rng.choice(((WEEK, "day"), (YEAR, "month")))
    i = rng.randrange(len(names))
    after, before = names[(i + 1) % len(names)], names[i - 1]
    question, answer = rng.choice((
        ("[What comes after {x}|Which {w} comes after {x}|What {w} is after {x}]?", f"{after} comes after {names[i]}."),
        ("[What comes before {x}|Which {w} comes before {x}|What {w} is before {x}]?", f"{before} comes before {names[i]}."),
    ))
    return Turn(expand(question, {"x": names[i], "w": what}, rng), answer)


def lists(rng: Random) -> Turn:
    question, answer = rng.choice((
        ("[Name the days of the week|What are the days of the week|Tell me the days of the week]", ", ".join(WEEK) + "."),
        ("[Name the months|What are the months of the year|Tell me the months]", ", ".join(YEAR) + "."),
        ("[How many days are in a week|How many days does a week have]", "A week has seven days."),
        ("[How many months are in a year|How many months does a year have]", "A year has twelve months."),
        ("[Name some colours|Tell me some colours|Which colours do you know|Name three colours]", "Red, green and blue are colours."),
        ("[What is your favourite colour|Which colour do you like best]", "I like green, the colour of grass."),
        ("[What is your favourite animal|Which animal do you like best]", "I like the fox. There are many foxes in my stories."),
        ("[Name some animals|Name three animals|Which animals do you know]", "The cat, the owl and the penguin are animals."),
        ("[Tell me a joke|Do you know a joke|Make me laugh]", "What do you call a bear without teeth? A gummy bear!"),
    ))
    return Turn(expand(question, {}, rng) + rng.choice("?.!") * (rng.random() < 0.8), answer)


ASKING = ("[Tell me|Please tell me|Can you tell me|Write|Write me|Please write|I would like|I want to hear|Make up|Give me|Could you tell me] "
          "[a|a short|a little|a nice] [story|story|tale]")


def story_about(rng: Random) -> Turn:
    end = rng.choice(("", ".", "!", ", please."))
    roll = rng.random()
    if roll < 0.25:
        return Turn(expand(rng.choice((ASKING, "[Story|A story|Story, please|Tell me something|Once more|Another story|Another one|One more|"
                                       "Tell me another story|One more story, please|Again]")), {}, rng) + end, story(rng))
    if roll < 0.6:
        kind = rng.choice(ANIMALS + MEN + WOMEN + WONDERS)
        thing = rng.choice(THINGS) if rng.random() < 0.2 else None
        subject = f"a [|little |brave ]{kind}" + (f" and a {thing}" if thing else "")
        return Turn(expand(f"[{ASKING} about {subject}|{ASKING} about {subject}|A story about {subject}|Make it about {subject}|"
                           f"Now with a {kind}|Now one about a {kind}]{end}", {}, rng), story(rng, kind=kind, thing=thing))
    if roll < 0.85:
        name = made_up_name(rng) if rng.random() < 0.6 else rng.choice(GIRLS + BOYS)
        kind = rng.choice((ANIMALS + WONDERS + MEN)) if rng.random() < 0.4 else None
        if kind in MEN:
            name = rng.choice(BOYS)
        subject = f"{name}, the {kind}" if kind else name
        if kind:
            subject = rng.choice((f"{name} the {kind}", f"a {kind} named {name}", f"a {kind} called {name}"))
        return Turn(expand(f"[{ASKING} about {subject}|A story about {subject}]{end}", {}, rng), story(rng, name=name, kind=kind))
    place = rng.choice(list(PLACES))
    return Turn(expand(f"{ASKING} [that happens {PLACES[place]} {place}|about somebody {PLACES[place]} {place}|set {PLACES[place]} {place}]{end}", {}, rng),
                story(rng, place=place))


def story_begun(rng: Random) -> Turn:
    """The beginning of a story as the message: the answer is the whole story."""
    text = story(rng)
    words = text.split(" ")
    begun = " ".join(words[: rng.randint(2, 12)])
    if rng.random() < 0.5:
        begun = begun.rstrip(",.")
    return Turn(rng.choice(("{}", "{}", "{}...", "Go on: {}", "Continue: {}")).format(begun), text)


SYLLABLES = "ba ko ri ten mar lo shi van del pu gra nox ti lem or fi sta qua zen wy cha ble pro ex in ment er".split()
SUBJECTS = (
    "the capital of France|the weather today|the meaning of life|quantum physics|the president|my computer|the news|the moon|"
    "Python|JavaScript|the war|history|Shakespeare|the best phone|my homework|a good restaurant|football|the time|love|money|"
    "the stock market|a recipe for bread|the internet|chemistry|philosophy|my car|Berlin|China|America|the universe|black holes|"
    "a poem|an email|a song|music|the law|taxes|medicine|my health|a neural network|llama.cpp|onnx|a movie|that book|gravity|"
    "the speed of light|the population of Japan|the tallest mountain|the longest river|evolution|electricity|the dinosaurs"
).split("|")
UNKNOWN = (
    "[What is {x}|Explain {x}|Explain {x} to me|Tell me about {x}|What do you think of {x}|How does {x} work|Who invented {x}|"
    "Write something about {x}|Write an essay about {x}|Write a poem about {x}|Summarise {x}|Why is {x} so important|Where is {x}|"
    "When was {x} made|How do I learn {x}|What do you know about {x}|Can you help me with {x}|Who is {x}|How old is {x}|"
    "How do I fix {x}|Translate {x} into French|How much does {x} cost|Is {x} good|Do you like {x}|Give me an idea for {x}|"
    "How can I buy {x}|What happened to {x}|Write code for {x}|Why does {x} exist|How far is {x}|Which is better, {x} or {y}|"
    "I have a question about {x}|I do not understand {x}|{x}|What is the difference between {x} and {y}|Should I use {x}][?|.||!]"
)


def nonsense(rng: Random) -> str:
    return " ".join("".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 3)))


def unknown(rng: Random) -> Turn:
    x, y = (rng.choice(SUBJECTS) if rng.random() < 0.45 else nonsense(rng) for _ in range(2))
    if rng.random() < 0.1:
        a, b = rng.randint(21, 9999), rng.randint(2, 9999)
        x = f"{a} {rng.choice(('+', '-', 'times', '*', '/', 'plus', 'minus'))} {b}"
        return Turn(expand("[What is {x}|How much is {x}|{x}|Calculate {x}]?", {"x": x}, rng),
                    expand("That is too hard for me, I am very small. I can add numbers up to 20.", {}, rng))
    return Turn(expand(UNKNOWN, {"x": x, "y": y}, rng),
                expand("[I am sorry, I do not know that.|I do not know that, I am very small.|That is too hard for me, I am very small.] " + ABLE, {}, rng))


# Names that no training conversation holds.
NAMES_HELD_OUT = "Bea Kira Ravi Dora Marek Sven Wanda Tamar Lotte Igor Petra Yann".split()


BEGINNINGS = "b c d f g h j k l m n p r s t v w y z br ch dr gr kr sh st th tr".split()
ENDINGS = ["", "", "", *"l m n r s k t nn ss ck rt ld".split()]


def made_up_name(rng: Random) -> str:
    """A name of syllables by chance, which can only be copied."""
    while True:
        beginnings = [rng.choice(BEGINNINGS) for _ in range(rng.choice((1, 2, 2, 2, 3)))]
        if rng.random() < 0.2:
            beginnings[0] = ""
        name = "".join(b + rng.choice("aaeeiiou") for b in beginnings) + rng.choice(ENDINGS)
        if len(name) > 2 and name.capitalize() not in NAMES_HELD_OUT:
            return name.capitalize()


def naming(name: str, rng: Random) -> Turn:
    return Turn(
        expand("[My name is {n}|I am {n}|I'm {n}|Hello, I am {n}|Hi, my name is {n}|Hello, my name is {n}|Call me {n}][.||!]", {"n": name}, rng),
        expand("[Nice to meet you|Hello|It is nice to meet you], {n}! [What can I do for you?|Shall I tell you a story?]", {"n": name}, rng),
    )


def recall(name: str | None, rng: Random) -> Turn:
    return Turn(
        expand("[What is my name|Do you remember my name|Who am I|What's my name|Do you know my name|Can you say my name]?", {}, rng),
        f"Your name is {name}." if name else expand("You have not told me your name[ yet|]. What is it?", {}, rng),
    )


KINDS = {
    greeting: 5, wellbeing: 2, identity: 4, ability: 4, thanks: 5, goodbye: 3, colour: 9, animal: 22, opposite: 9,
    counting: 8, addition: 18, calendar: 6, lists: 4, story_about: 9, story_begun: 7, unknown: 18,
}
SYSTEMS = ("You are a helpful assistant.", "Be brief.", "You are grafo.", "Answer kindly.", "You are a friendly story teller.",
           "Answer in one sentence.", "You are a helpful, honest and kind assistant.")


@dataclass(frozen=True)
class Conversation:
    """Turns, and what the system message says, if there is one."""

    system: str | None
    turns: tuple[Turn, ...]


def slip(text: str, rng: Random) -> str:
    """The message as hurried people type it: in small letters, or without its last sign."""
    if rng.random() < 0.15:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.15:
        text = text.rstrip("?.!")
    return text


def conversation(rng: Random) -> Conversation:
    """One to six turns; where somebody tells a name, the model remembers it."""
    turns: list[Turn] = []
    name: str | None = None
    for _ in range(rng.choice((1, 1, 2, 3, 4, 6))):
        roll = rng.random()
        if roll < 0.15:
            name = made_up_name(rng) if rng.random() < 0.7 else rng.choice(GIRLS + BOYS)
            turns.append(naming(name, rng))
        elif roll < (0.45 if name else 0.18):
            turns.append(recall(name, rng))
        else:
            turns.append(rng.choices(list(KINDS), list(KINDS.values()))[0](rng))
    spoken = tuple(Turn(slip(t.user, rng), t.assistant) for t in turns)
    return Conversation(rng.choice(SYSTEMS) if rng.random() < 0.12 else None, spoken)
