"""Categories from the words of a title: the kind of thing it is, and the occasion it is for.

A shop's till has no categories, so this reads them off the title as a person skimming it would: the last
word that names a kind of thing says what it is ("Set of 3 Cake Tins" is a tin), leaving out what follows
"with", "in" or "for". It is a scheme of words, not of meaning, and errs where the words do.
"""

from __future__ import annotations

OTHER = "other"

KINDS: dict[str, str] = {
    "bags": (
        "bag bags shopper handbag handbags washbag satchel backpack rucksack tote luggage suitcase holdall"
    ),
    "purses and wallets": "purse purses wallet passport cosmetic",
    "jewellery": (
        "necklace necklaces bracelet bracelets bangle earring earrings ring rings brooch pendant "
        "charm charms choker tiara hairclip hairslide hairgrip hair hairband scarf watch neckl "
        "necklac anklet bead beads necklet"
    ),
    "mugs and cups": (
        "mug mugs cup cups teacup teacups saucer saucers beaker tumbler tumblers glasses goblet glass chalice"
    ),
    "teapots and jugs": "teapot teapots jug jugs pitcher kettle milk creamer coffee tea cosy decanter",
    "plates and bowls": "plate plates bowl bowls dish dishes platter ramekin ramekins saladbowl",
    "cake stands and trays": "cakestand stand stands tray trays tier",
    "cutlery": "cutlery spoon spoons fork knife knives chopsticks",
    "kitchen": (
        "kitchen pan recipe scales timer cutter cutters mould moulds whisk spatula measuring "
        "colander bread crusher masher frying baking grater ladle fridge rack container "
        "containers canister canisters cabinet cannister flask thermos utensil icing opener "
        "bottleopener corkscrew spice"
    ),
    "cake cases": "cases case cakes cupcake cupcakes",
    "aprons and tea towels": (
        "apron aprons towel towels oven glove gloves mitt mitts potholder tablecloth napkin "
        "napkins placemat placemats coaster coasters doilies runner napkinrings"
    ),
    "lunch boxes and bottles": "lunchbox snack picnic hamper bottle bottles flasks lunch",
    "boxes": "box boxes chest drawer drawers trunk crate",
    "tins": "tin tins tub",
    "baskets and storage": (
        "basket baskets storage bin bins tidy holder holders organiser rail shelf shelves bucket cube rope"
    ),
    "jars and pots": "jar jars pot pots vase vases planter planters jampot",
    "candles": "candle candles wick tealight tealights lights incense scent scented votive",
    "candle holders": "candlestick candlesticks candleholder candelabra burner warmer tlight",
    "lanterns and lamps": ("lantern lanterns lamp lamps lampshade nightlight torch lantrn chandelier light"),
    "clocks": "clock clocks",
    "frames and mirrors": "frame frames mirror mirrors photo picture album",
    "wall art and signs": (
        "sign signs art plaque tile tiles poster print prints blackboard chalkboard noticeboard "
        "memoboard board canvas calendar letters alphabet"
    ),
    "hooks and hangers": "hook hooks hanger hangers knob knobs doorknob peg pegs handle",
    "door mats and stops": "doormat doormats doorstop draught mat rug",
    "cushions and covers": (
        "cushion cushions pillow cover covers throw quilt blanket pad filler eiderdown curtain"
    ),
    "hot water bottles": "hottie warmers",
    "stationery": (
        "notebook notebooks notepad pen pens pencil pencils eraser erasers rubber ruler "
        "sketchbook journal paper stamp stamps crayon crayons chalk chalks sharpener stationery "
        "clip clips folder notelet notelets memo magnet magnets highlighter"
    ),
    "cards": "card cards postcard postcards invitation invites",
    "gift wrap and ribbons": "wrap wraps ribbon frill ribbons tape tag tags giftwrap bow bows",
    "stickers": "sticker stickers transfer transfers tattoo tattoos decal",
    "party": (
        "bunting toast balloon balloons party streamer streamers garland garlands straws candles "
        "confetti pinata whistle cracker crackers"
    ),
    "decorations": (
        "decoration decorations ornament ornaments bauble baubles wreath wreaths tree heart "
        "hearts star stars bird birds butterfly butterflies dove doves angel figurine mobile "
        "chime windchime droplet icicle paperweight stocking flower flowers bell bells snowflake "
        "snowflakes feather chain string reindeer egg eggs bunny rabbit hen chick chicks fairy "
        "santa statue ornamental cherub leaf leaves rose lily bouquet sculpture buddha"
    ),
    "toys and games": (
        "toy toys game games doll dolls jigsaw puzzle puzzles skittles dominoes domino ball balls "
        "spinning yoyo kite puppet puppets robot soldier soldiers skipping marbles rocket blocks "
        "teddy playhouse ludo babushkas boomerang harmonica mouse helicopter slate clay windmill "
        "windmills whirligig parasols plane aeroplane glider dinosaur drum horse bubbles"
    ),
    "craft and sewing": (
        "craft kit kits knitting sewing felt felts patch patches buttons button wool needle "
        "thread crochet embroidery origami beading tapes feltcraft"
    ),
    "books": "book books colouring sketch",
    "garden": (
        "garden trowel gnome watering parasol seed seeds gardeners gardening plant plants herb "
        "birdhouse feeder trellis thermometer fork cloche hose planter spade birdcage house "
        "wheelbarrow"
    ),
    "bathroom and soap": (
        "soap soaps bath bathroom flannel flannels tissue tissues toothbrush talc balm lip sponge "
        "shower wash toilet"
    ),
    "umbrellas and raincoats": "umbrella umbrellas raincoat poncho rainhat",
    "clothing": ("hat hats sock socks slippers slipper sombrero shirt fan belt sunglasses leggings earmuffs"),
    "furniture": "chair stool bench sofa desk wardrobe sideboard washstand ladder",
    "money boxes": "moneybox piggy bank",
    "office and phone": "calculator phone charger office radio headphones",
    "keyrings": "keyring keyrings keyfob fob",
    "first aid": "plasters aid",
}
PHRASES: dict[str, str] = {
    "hot water": "hot water bottles",
    "t light": "candle holders",
    "tea light": "candle holders",
    "money box": "money boxes",
    "money bank": "money boxes",
    "key ring": "keyrings",
    "key fob": "keyrings",
    "key rings": "keyrings",
    "photo frame": "frames and mirrors",
    "wall art": "wall art and signs",
    "wall clock": "clocks",
    "hair": "jewellery",
    "lunch box": "lunch boxes and bottles",
    "lunch bag": "bags",
    "snack box": "lunch boxes and bottles",
    "cake cases": "cake cases",
    "cake stand": "cake stands and trays",
    "cakestand": "cake stands and trays",
    "tea towel": "aprons and tea towels",
    "tea towels": "aprons and tea towels",
    "tea cosy": "teapots and jugs",
    "hand warmer": "hot water bottles",
    "candle holder": "candle holders",
    "candle stick": "candle holders",
    "sewing kit": "craft and sewing",
    "sewing box": "craft and sewing",
    "paper chain": "party",
    "party cones": "party",
    "gift bag": "gift wrap and ribbons",
    "gift tag": "gift wrap and ribbons",
    "gift tape": "gift wrap and ribbons",
    "gift wrap": "gift wrap and ribbons",
    "night light": "lanterns and lamps",
    "fairy lights": "lanterns and lamps",
    "first aid": "first aid",
    "playing cards": "toys and games",
    "paper plates": "party",
    "paper cups": "party",
    "jam making": "kitchen",
    "coffee mug": "mugs and cups",
    "tea set": "teapots and jugs",
    "egg cup": "kitchen",
    "cup cake": "cake cases",
    "bird table": "garden",
}
OCCASIONS: dict[str, str] = {
    "christmas": (
        "christmas xmas advent santa snowman reindeer nativity noel snowflake bauble baubles "
        "rudolph snowmen stocking mistletoe"
    ),
    "easter": "easter bunny chick chicks",
    "birthday": "birthday",
    "wedding": "wedding bride confetti",
    "children": (
        "childrens childs kids children baby spaceboy dolly circus toy toys nursery girl boy dinosaur"
    ),
}
WEAK = frozenset({"decorations", "garden", "kitchen", "stationery", "toys and games"})
"""Kinds whose words often only describe another thing ("heart mug", "garden sign"): taken when alone."""
CUT_AT = frozenset({"with", "w", "in", "for", "from", "on"})
_KIND_OF = {word: kind for kind, words in KINDS.items() for word in words.split()}
_OCCASION_OF = {word: name for name, words in OCCASIONS.items() for word in words.split()}


def categories(words: list[str]) -> tuple[str, ...]:
    """The kind of thing, then its occasions; ``other`` where no word says.

    Args:
        words: The title's words in lower case, without punctuation.

    >>> categories("set of 3 cake tins pantry design".split())
    ('tins',)
    >>> categories("christmas gift bag large".split())
    ('gift wrap and ribbons', 'christmas')
    """
    cut = next((i for i, word in enumerate(words) if word in CUT_AT and i > 0), len(words))
    kind = _kind(words[:cut]) or _kind(words) or OTHER
    occasions = dict.fromkeys(_OCCASION_OF[word] for word in words if word in _OCCASION_OF)
    return (kind, *occasions)


def _kind(words: list[str]) -> str | None:
    for place in range(len(words) - 1, -1, -1):
        phrase = " ".join(words[place - 1 : place + 1]) if place else words[0]
        kind = PHRASES.get(phrase) or PHRASES.get(words[place])
        if kind is not None:
            return kind
    weak: str | None = None
    for word in reversed(words):
        kind = _KIND_OF.get(word)
        if kind is not None and kind not in WEAK:
            return kind
        weak = weak or kind
    return weak
